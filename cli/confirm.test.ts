import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { confirmedContext, isLocal } from './confirm.ts';

const answers = vi.hoisted(() => ({ current: '', asked: '', answer: '' }));
vi.mock('./kubectl.ts', () => ({ contextOf: async (named?: string) => named ?? answers.current }));
vi.mock('./output.ts', () => ({
  ask: async (question: string) => {
    answers.asked = question;
    return answers.answer;
  },
}));

beforeEach(() => Object.assign(answers, { current: 'production', asked: '', answer: '' }));
afterEach(() => vi.restoreAllMocks());

const agreed = (named?: string) => confirmedContext(named, (context) => `dev goes into "${context}"`);

test('only clusters for trying things out are used without asking', () => {
  expect(['kind-x', 'k3d-x', 'minikube', 'docker-desktop'].every(isLocal)).toBe(true);
  expect(['production', 'my-kind-x', 'minikube-prod', 'gke_kind'].some(isLocal)).toBe(false);
});

test('a context that is named, or for trying things out, is not asked about', async () => {
  expect(await agreed('production')).toBe('production');
  answers.current = 'kind-x';
  expect(await agreed()).toBe('kind-x');
  expect(answers.asked).toBe('');
});

test('any other is, and only a yes goes on', async () => {
  answers.answer = 'y';
  expect(await agreed()).toBe('production');
  expect(answers.asked).toBe('dev goes into "production". Go on? [y/N] ');
  for (const answer of ['', 'n', 'sure']) {
    answers.answer = answer;
    await expect(agreed()).rejects.toThrow(/^nothing was changed$/);
  }
});
