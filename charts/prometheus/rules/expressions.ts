/**
 * The increase of a counter within the last hour; empty if there was none.
 *
 * Many counters have no series until their first failure: they appear at 1, or at 8192, and then stay there, which `increase` reports as 0.
 * So a series that was absent for the whole half hour from 90 to 60 minutes ago counts with its full value. Checking one moment instead of
 * half an hour would make every old counter look new an hour after a lost scrape. After a gap of more than half an hour, old failures are
 * reported again for an hour. A counter that restarts from 0 needs no special case: `increase` handles resets.
 */
export const increase1h = (counter: string) =>
  `((${counter} > 0 unless present_over_time(${counter}[30m] offset 1h)) or increase(${counter}[1h]) > 0)`;

/** The increase of a counter within the last 10 minutes: for a failure that the program retries, in a rule whose `for` is longer. */
export const increase10m = (counter: string) => `increase(${counter}[10m]) > 0`;

/** The last value within 5 minutes: a lost scrape makes a series stale, which would restart `for`. */
export const last5m = (gauge: string) => `last_over_time(${gauge}[5m])`;
