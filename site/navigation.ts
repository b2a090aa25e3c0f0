/**
 * Every page of docs/, in the order in which the site shows it. A page that is missing here is reached by nobody:
 * test/unit/docs/site.test.ts compares this list with the folder. Decisions are listed by their numbers, without an entry.
 */
export interface Group {
  text: string;
  /** path below docs/ without `.md`, and the menu's words */
  pages: readonly (readonly [path: string, text: string])[];
}

export const navigation: readonly Group[] = [
  {
    text: 'Start',
    pages: [
      ['index', 'What it is'],
      ['guide/quick-start', 'Ten minutes'],
      ['concepts', 'Concepts'],
    ],
  },
  {
    text: 'Guides',
    pages: [
      ['guide/install', 'Install'],
      ['guide/pods', 'Pods'],
      ['guide/gateway', 'Gateway'],
      ['guide/gateway-anywhere', 'A gateway without a cluster'],
      ['guide/existing-frps', 'An frps that is there already'],
      ['guide/connectors', 'Connectors'],
      ['guide/in-cluster', 'A name in the cluster'],
      ['guide/certificates', 'Certificates'],
      ['guide/security', 'Rights and ports'],
      ['guide/migrate', 'From frpc’s files'],
    ],
  },
  {
    text: 'Use cases',
    pages: [
      ['guide/ollama', 'Ollama'],
      ['guide/api-gateway', 'API gateway'],
      ['guide/databases', 'Database'],
      ['guide/multi-cluster', 'Several clusters'],
      ['guide/game-server', 'Game server'],
      ['guide/mail-server', 'Mail server'],
    ],
  },
  {
    text: 'Operations',
    pages: [
      ['guide/status', 'Status'],
      ['guide/troubleshooting', 'Troubleshooting'],
      ['guide/dashboard', 'The web page'],
      ['operations/monitoring', 'Monitoring'],
      ['operations/runbook', 'Runbook'],
      ['operations/capacity', 'Capacity plan'],
      ['guide/performance', 'Performance'],
      ['operations/backup', 'Backup and restore'],
      ['operations/removal', 'Keys and removal'],
      ['operations/releases', 'Releases'],
      ['security', 'Security'],
    ],
  },
  {
    text: 'Reference',
    pages: [
      ['reference/distributedservice', 'DistributedService'],
      ['reference/configuration', 'Configuration'],
      ['reference/reasons', 'Reasons'],
      ['reference/metrics', 'Metrics'],
      ['reference/logs', 'Logs'],
      ['reference/migrate', 'migrate'],
      ['reference/link', 'The link'],
    ],
  },
  {
    text: 'Studies',
    pages: [
      ['studies/mtls-at-scale', 'mTLS at scale'],
      ['studies/load-balancing', 'Balancing strategies'],
      ['studies/service-mesh', 'Service meshes'],
      ['studies/networking', 'Networking'],
      ['studies/benchmarking', 'Benchmarking'],
    ],
  },
  {
    text: 'Design',
    pages: [
      ['design/requirements', 'Requirements'],
      ['design/settlements', 'Settled conflicts'],
      ['decisions/README', 'Decisions'],
    ],
  },
  { text: '한국어', pages: [['ko/quick-start', '10분 만에 시작하기']] },
];
