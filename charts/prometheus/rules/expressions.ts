/**
 * By how much a counter rose within the last hour; empty if it did not rise.
 *
 * Many counters appear with their first failure, at 1 or at 8192, and then stand still: their `increase` is 0. So the whole value of a series counts
 * that was not there between an hour and half an hour ago. Half an hour, not a moment: a lost scrape or a restart of Prometheus in the meantime
 * would make every old counter look new. After a longer gap old failures are reported once more, since what happened in the gap is unknown.
 * A counter that was away for less than half an hour, because its program restarted, is within the hour that `increase` looks at.
 */
export const risen = (counter: string) =>
  `((${counter} > 0 unless present_over_time(${counter}[30m] offset 30m)) or increase(${counter}[1h]) > 0)`;

/** Whether a counter rises: for what costs nothing once, because the program tries again. `for` has to exceed the 10 minutes that one rise is visible. */
export const rising = (counter: string) => `increase(${counter}[10m]) > 0`;

/** The last value within 5 minutes: a lost scrape makes the series stale for a moment, and `for` would start anew. */
export const latest = (gauge: string) => `last_over_time(${gauge}[5m])`;
