/**
 * By how much a counter rose within the last hour; empty if it did not rise.
 *
 * Many counters exist only from their first failure on: they appear at 1 or at 8192 and then stand still, which `increase` takes for 0. So a series
 * that was absent between 90 and 60 minutes ago counts with its whole value for an hour. It has to be absent for that half hour, not at one moment:
 * otherwise every old counter would look new an hour after a lost scrape or a restart of Prometheus. After a longer gap old failures are reported
 * again for an hour, because nobody knows what happened in the gap. A counter that is absent for a shorter time, since its program restarted, has
 * samples from before and after within the hour of `increase`.
 */
export const risen = (counter: string) =>
  `((${counter} > 0 unless present_over_time(${counter}[30m] offset 1h)) or increase(${counter}[1h]) > 0)`;

/** Whether a counter rose in the last 10 minutes: for a failure that the program repairs by trying again, in a rule whose `for` is longer. */
export const rising = (counter: string) => `increase(${counter}[10m]) > 0`;

/** The last value of the last 5 minutes: a lost scrape makes a series stale until the next one, which would start `for` anew. */
export const latest = (gauge: string) => `last_over_time(${gauge}[5m])`;
