import { Duration, Size } from 'cdk8s';

/**
 * The largest OTLP request that the collector accepts, and the largest batch that it sends: a batch can be split between
 * records but never inside one, so no limit behind the collector may be smaller.
 */
export const LARGEST_REQUEST = Size.mebibytes(4);

/**
 * The most log records in one push to Loki, which copies the attributes of their resource, up to `LARGEST_ATTRIBUTES`, into each.
 * So no push is larger than `LARGEST_PUSH`, whatever the senders' attributes are.
 */
export const PUSHED_RECORDS = 500;

/** The largest attributes of one log record that Loki accepts, those of its resource included. Loki's default. */
export const LARGEST_ATTRIBUTES = Size.kibibytes(64);

/** The largest push to Loki, in whole MiB. */
export const LARGEST_PUSH = Size.mebibytes(
  LARGEST_REQUEST.toMebibytes() + Math.ceil((PUSHED_RECORDS * LARGEST_ATTRIBUTES.toKibibytes()) / 1024),
);

/** How late a record may reach its store. What a collector has queued for longer, the store refuses as too old. */
export const LATEST_ARRIVAL = Duration.hours(6);

/**
 * Upper bounds of a histogram of durations, in seconds: from `first` to the longest task, which would else be hidden in the
 * bucket without a bound.
 */
export function durationBuckets(first: number, longest: Duration): readonly number[] {
  const last = longest.toSeconds();
  const steps = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
  return [...steps.filter((step) => step >= first && step < last), last];
}
