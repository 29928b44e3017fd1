import init from './__init__.py';
import main from './__main__.py';
import arangodb from './arangodb.py';
import check from './check.py';
import consul from './consul.py';
import dns from './dns.py';
import grafana from './grafana.py';
import redis from './redis.py';
import run from './run.py';
import settings from './settings.py';
import tasks from './tasks.py';
import telemetry from './telemetry.py';
import tracing from './tracing.py';

/** The Python package `smoke`, by file name. */
export const files: Readonly<Record<string, string>> = {
  '__init__.py': init,
  '__main__.py': main,
  'arangodb.py': arangodb,
  'check.py': check,
  'consul.py': consul,
  'dns.py': dns,
  'grafana.py': grafana,
  'redis.py': redis,
  'run.py': run,
  'settings.py': settings,
  'tasks.py': tasks,
  'telemetry.py': telemetry,
  'tracing.py': tracing,
};
