import { expect, test } from 'vitest';
import { type CheckResult, line, parseLog, resultOf, summary } from './check-result.ts';

test('the log has checks, other lines, and the totals at its end', () => {
  const check = { name: 'a', state: 'ok', seconds: 1, detail: '', standins: [] };
  const log = `${JSON.stringify(check)}\nTraceback\n{"name":"b"}\n[1]\nnull\n\n`;
  const others = ['Traceback', '{"name":"b"}', '[1]', 'null'];
  expect(parseLog(log)).toEqual({ checks: [check], finished: false, others });
  expect(parseLog(`${log}{"totals":{"ok":1,"failed":0,"skipped":0}}\n`)).toEqual({ checks: [check], finished: true, others });
});

test('a check fails when it found problems', () => {
  expect(resultOf('a', 1, [], '9 disks', 'get')).toMatchObject({ state: 'ok', detail: '9 disks' });
  expect(resultOf('a', 1, ['x', 'y'], '9 disks', 'get')).toMatchObject({ state: 'failed', detail: 'x; y' });
});

test('a line shows the detail, the stand-ins, and a command where the check failed', () => {
  const check: CheckResult = { name: 'a', state: 'ok', seconds: 1.26, detail: 'x', standins: ['tempo'], command: 'kubectl get pods' };
  expect(line(check, 'here')).toBe('✔  a  1.3 s  x  (stand-in for tempo: proves the manifest, not the product)');
  expect(line({ ...check, state: 'failed', standins: [] }, 'here')).toBe('✖  a  1.3 s  x\n  → kubectl --context here get pods');
  expect(line({ ...check, state: 'skipped', standins: [] }, 'here')).toBe('?  a  1.3 s  skipped: x');
  expect(summary([check, { ...check, state: 'failed' }], 48.6)).toBe('1 passed, 1 failed, 0 skipped in 49 s');
});
