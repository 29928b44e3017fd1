import { container, testRule } from './testing.ts';

testRule('scrapes', [
  [
    'a metrics port that is not scraped',
    (find) => container(find('Deployment', 'client')).ports.push({ name: 'metrics', containerPort: 9000, protocol: 'TCP' }),
    'Prometheus does not scrape the metrics port 9000',
  ],
]);
