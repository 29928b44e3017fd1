import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './cluster.ts';
import { copy, edit } from './project.ts';
import type { Step } from './step.ts';

/** Sends five spans a second for 80 seconds, each over a connection of its own; prints the accepted traces and how many were refused. */
const SENDER = `
import json, os, secrets, time, urllib.request
accepted, refused = [], 0
end = time.time() + 80
while time.time() < end:
    trace, now = secrets.token_hex(16), time.time_ns()
    span = {"traceId": trace, "spanId": secrets.token_hex(8), "name": "roll", "kind": 1, "startTimeUnixNano": str(now), "endTimeUnixNano": str(now)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "e2e"}}]}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}).encode()
    request = urllib.request.Request(os.environ["OTLP_HTTP_ENDPOINT"] + "/v1/traces", body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=5).read()
        accepted.append(trace)
    except OSError:
        refused += 1
    time.sleep(0.2)
print(json.dumps({"accepted": accepted, "refused": refused}))
`;

/** Two collectors in place of one, replaced by one change of the manifests while their store is away. */
export const twoCollectors: Step = {
  name: 'two collectors replaced by one change while Tempo is away: at most one request in a hundred is refused, and every accepted span arrives',
  extra: true,
  async run(cluster) {
    const project = copy();
    const settings = join(project, 'settings/index.ts');
    try {
      edit(settings, 'otelCollector: { replicas: 1', 'otelCollector: { replicas: 2');
      await cluster.must('up', [], project);
      await cluster.kubectl.run(['scale', 'deployment/tempo', '--replicas=0']);
      const sending = cluster.exec('deployment/celery-worker-default', ['python3', '-c', SENDER], undefined, 120);
      edit(settings, "debug: 'basic'", "debug: 'normal'");
      // Brings Tempo back, too.
      await cluster.must('up', ['--force'], project);
      const { accepted, refused }: { accepted: readonly string[]; refused: number } = JSON.parse(await sending);
      if (refused * 100 > accepted.length) throw new Error(`${refused} of ${accepted.length + refused} requests were refused`);
      await cluster.kubectl.forward('tempo', 3200, async (address) => {
        for (const trace of accepted) {
          const found = async () => (await fetch(`http://${address}/api/traces/${trace}`)).status === 200;
          await eventually(found, 60, `the trace ${trace} is in Tempo`);
        }
      });
      return `${accepted.length} of ${accepted.length} traces; ${refused} requests were refused`;
    } finally {
      rmSync(project, { recursive: true, force: true });
      await cluster.must('up', ['--force']);
      await cluster.kubectl.run(['delete', 'deployment/otel-collector-1', 'pvc/otel-collector-1', '--ignore-not-found'], { seconds: 200 });
    }
  },
};
