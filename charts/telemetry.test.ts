import { Duration, Size } from 'cdk8s';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { build } from '../build.ts';
import { profiles } from '../settings/index.ts';

/** The configuration in a ConfigMap of the profile dev. */
function configOf(name: string, file: string, { platform } = build(profiles.dev)) {
  return parse(platform.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)?.data[file]);
}

test('a Collector starts after a crash that corrupted its queue’s file', () => {
  expect(configOf('otel-collector', 'collector.yaml').extensions.file_storage.recreate).toBe(true);
});

test('Loki starts in a pod without an interface eth0 or en0', () => {
  expect(configOf('loki', 'loki.yaml').common.instance_addr).toBe('127.0.0.1');
});

test('a job of a replaced Tempo pod blocks the retention for an hour at most', () => {
  expect(configOf('tempo', 'tempo.yaml').backend_scheduler.work.dead_job_timeout).toBe('1h');
});

/** Renders the profile dev with other constants in lib/telemetry.ts. */
async function buildWith(constants: object) {
  vi.doMock('../lib/telemetry.ts', async (original) => ({ ...(await original<object>()), ...constants }));
  return (await import('../build.ts')).build(profiles.dev);
}
beforeEach(() => void vi.resetModules());
afterEach(() => void vi.doUnmock('../lib/telemetry.ts'));

test('the stores accept every record that is not later than MAX_DELAY', async () => {
  const hours = 24 * 10;
  const changed = await buildWith({ MAX_DELAY: Duration.hours(hours) });
  const { limits_config, ingester } = configOf('loki', 'loki.yaml', changed);
  expect(Number.parseInt(limits_config.reject_old_samples_max_age, 10)).toBeGreaterThanOrEqual(hours);
  expect(Number.parseInt(ingester.max_chunk_age, 10)).toBeGreaterThanOrEqual(2 * hours);
  expect(configOf('prometheus', 'prometheus.yaml', changed).storage.tsdb.out_of_order_time_window).toBe(`${hours}h`);
});

test('a LARGEST_REQUEST for which a Collector has too little memory is refused', async () => {
  const { findings, platform } = await buildWith({ LARGEST_REQUEST: Size.mebibytes(16) });
  expect(findings).toEqual([
    'settings.otelCollector.resources.memory is 256 MiB: use at least 576 MiB (for 8 concurrent requests of 16 MiB, the LARGEST_REQUEST of lib/telemetry.ts)',
  ]);
  expect(platform).toEqual([]);
});
