import { Chart, Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import { Component, type Endpoint, portNumber, type Shared } from '../lib/component.ts';
import { configMap } from '../lib/config.ts';
import { emptyDir, memoryDir, volumeClaimTemplate } from '../lib/disk.ts';
import { goMemoryLimit, type Resources, shell, tcp } from '../lib/pod.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import type { SecretRef } from '../lib/secret.ts';
import { job, statefulSet } from '../lib/workload.ts';
import acl from './consul/acl.sh';
import { autopilotFile } from './consul/autopilot.ts';
import { policyFiles } from './consul/policies.ts';
import start from './consul/start.sh';

const API = { consul: 8500, dns: 8600, 'dns-udp': { udp: 8600 } };
const MEMBERS = { server: 8300, serf: 8301, 'serf-udp': { udp: 8301 } };

export interface ConsulSettings {
  /** Number of servers. The quorum follows from it. */
  readonly servers: 1 | 3 | 5;
  /** Name of the datacenter. */
  readonly datacenter: string;
  readonly resources: Resources;
  /** Disk of each server. */
  readonly disk: Size;
}

type Tokens = 'gossip-key' | 'management-token' | 'agent-token' | 'app-token' | 'metrics-token';

interface ConsulProps extends ConsulSettings {
  readonly image: string;
  readonly secret: SecretRef<Tokens>;
  /** Services to register in the catalog, with a health check: Consul's DNS returns the healthy ones. */
  readonly services: readonly Endpoint[];
}

/** Consul servers with ACLs, and the Job that sets up Autopilot and the policies and tokens of the clients. */
export class Consul extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 30;
  readonly consul: Endpoint<'consul'>;
  readonly dns: { readonly tcp: Endpoint<'dns'>; readonly udp: Endpoint<'dns-udp'> };
  readonly metrics: ScrapeTarget;

  constructor(scope: Construct, id: string, shared: Shared, props: ConsulProps) {
    super(scope, id, shared);
    const { servers, secret } = props;
    const component = new Component(this, id, shared, { role: 'discovery', image: props.image });
    const api = component.serve(API);
    const members = component.serve(MEMBERS, { name: `${id}-members`, headless: true, publishNotReadyAddresses: true });
    component.connectSelf(...Object.values(MEMBERS));

    const services = props.services.map((endpoint) => {
      const address = `${endpoint.host}.${shared.namespace}.svc.cluster.local`;
      const port = portNumber(endpoint.port);
      component.connect(endpoint);
      return {
        id: endpoint.host,
        name: endpoint.host,
        address,
        port,
        checks: [{ name: 'accepts connections', tcp: `${address}:${port}`, interval: '15s', timeout: '3s' }],
      };
    });
    const settings = {
      server: true,
      datacenter: props.datacenter,
      data_dir: '/consul/data',
      bind_addr: '0.0.0.0',
      client_addr: '0.0.0.0',
      ports: { http: API.consul, dns: API.dns, server: MEMBERS.server, serf_lan: MEMBERS.serf, grpc: -1, grpc_tls: -1, serf_wan: -1 },
      ui_config: { enabled: true },
      disable_update_check: true,
      bootstrap_expect: servers,
      retry_join: [`${members.name}.${shared.namespace}.svc.cluster.local`],
      // A stopped server leaves the Raft peers. When it starts again, it joins as a new server without a vote.
      leave_on_terminate: true,
      // Ten years. By default, a server that was down for a week refuses to start.
      server_rejoin_age_max: '87600h',
      acl: { enabled: true, default_policy: 'deny', enable_token_persistence: true },
      telemetry: { prometheus_retention_time: '2m', disable_hostname: true },
      services,
    };
    const files = configMap(component, () => ({ 'consul.json': `${JSON.stringify(settings, null, 2)}\n`, 'start.sh': start }));

    statefulSet(component, {
      service: members,
      replicas: servers,
      requireAntiAffinity: true,
      priority: 'data',
      // Leaving takes 13 s when the other servers are down too.
      grace: Duration.seconds(30),
      containers: [
        {
          name: 'consul',
          image: props.image,
          command: ['sh', '/etc/consul/start.sh', '-config-file=/etc/consul/consul.json', '-advertise=$(POD_IP)'],
          env: {
            POD_IP: { fieldRef: { fieldPath: 'status.podIP' } },
            CREDENTIALS: `/run/secrets/${secret.name}`,
            MEMORY: '/run/platform',
            ...goMemoryLimit(props.resources.memory),
          },
          ports: { ...API, ...MEMBERS },
          resources: props.resources,
          mounts: [
            files.mount('/etc/consul'),
            secret.mount('gossip-key', 'management-token', 'agent-token'),
            memoryDir('/run/platform', 'memory', Size.mebibytes(1)),
            volumeClaimTemplate('/consul/data', 'data', props.disk, shared),
            // Consul writes snapshots here.
            emptyDir('/tmp', 'tmp', Size.mebibytes(128)),
          ],
          readiness: {
            // The answer is 200 with an empty string when there is no leader.
            ...shell(
              `case "$(curl --silent --max-time 4 http://127.0.0.1:${API.consul}/v1/status/leader)" in '"'?*'"') ;; *) exit 1 ;; esac`,
            ),
            // 30 s with a leader: Autopilot gives a server its vote after 10 to 20 s, and rollouts and drains must not stop the next
            // server before.
            ...(servers > 1 && { successThreshold: 4 }),
          },
          // Does not test for a leader: a restart during an election prolongs it.
          liveness: tcp('consul'),
        },
      ],
    });

    const aclSetup = new Component(this, `${id}-acl`, shared, { role: 'bootstrap', image: props.image });
    const scripts = configMap(aclSetup, () => ({ 'acl.sh': acl, 'autopilot.json': autopilotFile(servers), ...policyFiles() }));
    job(aclSetup, {
      priority: 'data',
      grace: Duration.seconds(5),
      containers: [
        {
          name: 'acl',
          image: props.image,
          command: ['sh', '/opt/platform/acl.sh'],
          env: {
            CONSUL_HTTP_ADDR: `http://${aclSetup.connect(api.endpoints.consul)}`,
            CREDENTIALS: `/run/secrets/${secret.name}`,
            MEMORY: '/run/platform',
          },
          resources: { cpu: Cpu.millis(5), memory: Size.mebibytes(48) },
          mounts: [
            scripts.mount('/opt/platform'),
            secret.mount('management-token', 'agent-token', 'app-token', 'metrics-token'),
            memoryDir('/run/platform', 'memory', Size.mebibytes(1)),
          ],
        },
      ],
    });

    this.consul = api.endpoints.consul;
    this.dns = { tcp: api.endpoints.dns, udp: api.endpoints['dns-udp'] };
    this.metrics = {
      endpoint: api.endpoints.consul,
      path: '/v1/agent/metrics',
      params: { format: ['prometheus'] },
      hosts: Array.from({ length: servers }, (_, index) => `${id}-${index}.${members.name}`),
      auth: { tokenFile: secret.path('metrics-token') },
    };
  }
}
