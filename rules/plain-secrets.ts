import type { Finding, Platform } from './platform.ts';

const NAME = /(PASSWORD|PASSWD|TOKEN|SECRET|API_?KEY)$/i;
/** A password in a URL, or behind a key that is called like one; a path, a variable or an expansion is none. */
const LITERAL =
  /:\/\/[^\s:/@"']*:(?![$%{])[^\s:/@"']+@|\b\w*(?:password|passwd|secret_key|access_key|api_key|token)["']?\s*[:=]\s*["']?(?![$/{<"'\s[(])[\w+/=.-]{4,}/i;

/** No value that looks like a secret stands in a manifest. */
export function* plainSecrets(platform: Platform): Iterable<Finding> {
  const fix = 'take it from a Secret';
  for (const object of platform.of('Secret'))
    yield {
      object,
      field: 'data',
      wrong: 'a Secret with values would be committed',
      fix: 'reference it, and let it be made in the cluster',
    };
  for (const { object, pod } of platform.workloads) {
    for (const { env = [], command = [], args = [] } of pod.containers) {
      for (const { name, value } of env) {
        const literal = value !== undefined && ((NAME.test(name) && !/^[$/]/.test(value)) || LITERAL.test(value));
        if (literal)
          yield {
            object,
            field: `spec.template.spec.containers.env.${name}`,
            wrong: 'its value is a literal and looks like a secret',
            fix,
          };
      }
      if ([...command, ...args].some((text) => LITERAL.test(text)))
        yield {
          object,
          field: 'spec.template.spec.containers.args',
          wrong: 'an argument looks like a secret, and arguments are in the process list',
          fix,
        };
    }
  }
  for (const object of platform.of('ConfigMap')) {
    for (const [key, text] of Object.entries<string>(object.data)) {
      // Programs name passwords all the time; what is checked of them is what they are started with.
      if (/\.(py|sh)$/.test(key)) continue;
      const [found] = LITERAL.exec(text) ?? [];
      if (found) yield { object, field: `data.${key}`, wrong: `"${found.slice(0, found.search(/[:=]/) + 1)}…" looks like a secret`, fix };
    }
  }
}
