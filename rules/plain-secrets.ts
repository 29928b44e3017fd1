import type { Finding, Platform } from './platform.ts';

const NAME = /(PASSWORD|PASSWD|TOKEN|SECRET|API_?KEY)$/i;
/** A password in a URL or after a key with such a name, unless it is a path, a variable or an expansion. */
const LITERAL =
  /:\/\/[^\s:/@"']*:(?![$%{])[^\s:/@"']+@|\b\w*(?:password|passwd|secret_key|access_key|api_key|token)["']?\s*[:=]\s*["']?(?![$/{<"'\s[(])[\w+/=.-]{4,}/i;

/** No manifest has a value that looks like a secret. */
export function* plainSecrets(platform: Platform): Iterable<Finding> {
  const fix = 'take it from a Secret';
  for (const object of platform.of('Secret'))
    yield { object, field: 'data', wrong: 'a Secret with values would be committed', fix: 'reference it, and create it in the cluster' };
  for (const { object, containers } of platform.workloads) {
    for (const { container, field } of containers) {
      for (const { name, value } of container.env ?? []) {
        const literal = value !== undefined && ((NAME.test(name) && !/^[$/]/.test(value)) || LITERAL.test(value));
        if (literal) yield { object, field: `${field}.env.${name}`, wrong: 'its value looks like a secret', fix };
      }
      if ([...(container.command ?? []), ...(container.args ?? [])].some((text) => LITERAL.test(text)))
        yield { object, field: `${field}.args`, wrong: 'an argument looks like a secret, and the process list shows arguments', fix };
    }
  }
  for (const object of platform.of('ConfigMap')) {
    for (const [key, text] of Object.entries<string>(object.data)) {
      // Scripts have variables with such names; their arguments and environment are checked above.
      if (/\.(py|sh)$/.test(key)) continue;
      const [found] = LITERAL.exec(text) ?? [];
      if (found) yield { object, field: `data.${key}`, wrong: `"${found.slice(0, found.search(/[:=]/) + 1)}…" looks like a secret`, fix };
    }
  }
}
