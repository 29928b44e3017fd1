import { testRule } from './testing.ts';

testRule('budgets', [
  [
    'a budget without disruptions',
    (find) => (find('PodDisruptionBudget', 'server').spec.maxUnavailable = 0),
    'it allows no disruption of 3 pods, so a drain never ends',
  ],
  [
    'a budget of all pods',
    (find) =>
      (find('PodDisruptionBudget', 'server').spec = { minAvailable: 3, selector: find('PodDisruptionBudget', 'server').spec.selector }),
    'it allows no disruption of 3 pods',
  ],
  [
    'a budget without pods',
    (find) => (find('PodDisruptionBudget', 'server').spec.selector.matchLabels = { a: 'b' }),
    'PodDisruptionBudget server: spec.selector: it selects no pod',
  ],
]);
