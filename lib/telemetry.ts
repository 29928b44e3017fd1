import { Duration, Size } from 'cdk8s';

/**
 * The largest OTLP request that the Collector accepts, and the largest batch that it sends. A single record may be this large, and
 * cannot be split: the limits of the stores must not be smaller.
 */
export const LARGEST_REQUEST = Size.mebibytes(4);

/**
 * Maximum number of log records in a push to Loki, which copies the attributes of a resource into each of its records.
 * It bounds the size of a push to `LARGEST_PUSH`.
 */
export const MAX_PUSH_RECORDS = 500;

/** The largest attributes of a log record, with those of its resource, that Loki accepts. This is Loki's default. */
export const LARGEST_ATTRIBUTES = Size.kibibytes(64);

/** The largest push to Loki. */
export const LARGEST_PUSH = Size.mebibytes(
  LARGEST_REQUEST.toMebibytes() + Math.ceil((MAX_PUSH_RECORDS * LARGEST_ATTRIBUTES.toKibibytes()) / 1024),
);

/** How late a record may arrive at its store. A store refuses records that the Collector has queued for longer. */
export const MAX_DELAY = Duration.hours(6);

/**
 * Upper bounds of a histogram of durations, in seconds, from `first` to `longest`: durations above the last bound would all count
 * as infinite.
 */
export function durationBuckets(first: number, longest: Duration): readonly number[] {
  const last = longest.toSeconds();
  const steps = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
  return [...steps.filter((step) => step >= first && step < last), last];
}
