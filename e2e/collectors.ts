import { WORKER } from './app.ts';
import { eventually } from './cluster.ts';
import { override, withCopy } from './project.ts';
import type { Proof } from './proof.ts';

/** Sends five spans a second for 80 seconds, each over a new connection, and prints the accepted traces and the number of refused requests. */
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

export const twoCollectors: Proof = {
  name: 'two collectors replaced in one rollout while Tempo is down: at most one request in a hundred is refused, and every accepted span arrives',
  onlyWithAll: true,
  async run(cluster) {
    const replicas = (settings: string) => `otelCollector: { ...dev.otelCollector, replicas: 2, ${settings} }`;
    try {
      return await withCopy(async (project) => {
        override(project, [replicas("debug: 'basic'")]);
        await cluster.command('up', [], { cwd: project });
        await cluster.kubectl.run(['scale', 'deployment/tempo', '--replicas=0']);
        const sending = cluster.exec(`deployment/${WORKER}`, ['python3', '-c', SENDER], undefined, 120);
        override(project, [replicas("debug: 'normal'")]);
        // Starts Tempo again, too.
        const [output] = await Promise.all([sending, cluster.command('up', ['--force'], { cwd: project })]);
        const { accepted, refused }: { accepted: readonly string[]; refused: number } = JSON.parse(output);
        if (refused * 100 > accepted.length) throw new Error(`${refused} of ${accepted.length + refused} requests were refused`);
        await cluster.forward('tempo', async (address) => {
          for (const trace of accepted) {
            const found = async () => (await fetch(`http://${address}/api/traces/${trace}`)).status === 200;
            await eventually(found, 60, `the trace ${trace} is in Tempo`);
          }
        });
        return `${accepted.length} of ${accepted.length} traces; ${refused} requests were refused`;
      });
    } finally {
      await cluster.command('up', ['--force']);
      await cluster.kubectl.run(['delete', 'deployment/otel-collector-1', 'pvc/otel-collector-1', '--ignore-not-found'], { seconds: 200 });
    }
  },
};
