import { Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { type Comment, parseSync, type TSType } from 'oxc-parser';
import { millis } from '../../lib/quantity.ts';
import { cores, size } from './table.ts';

/** One setting, from its declaration. */
export interface Setting {
  /** The path from the root, with `[]` for list elements. */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  readonly comment: string;
  /** The text of `@default`. */
  readonly fallback: string;
}

interface Declared {
  readonly source: string;
  readonly comments: readonly Comment[];
  readonly type: readonly TSType[];
  readonly members: readonly Member[];
}

type Member = Extract<TSType, { type: 'TSTypeLiteral' }>['members'][number];

/** Reads the settings of the interface `root` from the sources, by file name. */
export function settingsOf(sources: Readonly<Record<string, string>>, root: string): Setting[] {
  const declared = new Map<string, Declared>();
  for (const [file, source] of Object.entries(sources)) {
    const { program, comments } = parseSync(file, source);
    for (const statement of program.body) {
      const node = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
      if (node?.type === 'TSInterfaceDeclaration') {
        const bases = node.extends.map(({ expression }) => (expression.type === 'Identifier' ? expression.name : ''));
        declared.set(node.id.name, {
          source,
          comments,
          type: [],
          members: [...bases.flatMap((base) => declared.get(base)?.members ?? []), ...node.body.body],
        });
      }
      if (node?.type === 'TSTypeAliasDeclaration')
        declared.set(node.id.name, { source, comments, type: [node.typeAnnotation], members: [] });
    }
  }

  /** The settings inside a type: none for a leaf. */
  function below(type: TSType, path: string, from: Declared): Setting[] {
    switch (type.type) {
      case 'TSParenthesizedType':
        return below(type.typeAnnotation, path, from);
      case 'TSIntersectionType':
      case 'TSUnionType': {
        const all = type.types.flatMap((each) => below(each, path, from));
        // A member of several alternatives is one setting with a union type.
        return [...new Set(all.map(({ path }) => path))].map((path) => {
          const alternatives = all.filter((setting) => setting.path === path && setting.type !== 'undefined');
          const types = new Set(alternatives.map(({ type }) => type));
          return { ...(alternatives[0] as Setting), type: [...types].join(' | ') };
        });
      }
      case 'TSTypeLiteral':
        return members(type.members, path, from);
      case 'TSTypeOperator':
        return below(type.typeAnnotation, path, from);
      case 'TSArrayType':
        return below(type.elementType, `${path}[]`, from);
      case 'TSTupleType': {
        const [first] = type.elementTypes;
        return first ? below(first as TSType, `${path}[]`, from) : [];
      }
      case 'TSTypeReference': {
        const found = type.typeName.type === 'Identifier' ? declared.get(type.typeName.name) : undefined;
        if (!found) return [];
        return [...found.type.flatMap((each) => below(each, path, found)), ...members(found.members, path, found)];
      }
      default:
        return [];
    }
  }

  function members(all: readonly Member[], path: string, from: Declared): Setting[] {
    return all.flatMap((member) => {
      if (member.type !== 'TSPropertySignature' || member.key.type !== 'Identifier' || !member.typeAnnotation) return [];
      const type = member.typeAnnotation.typeAnnotation;
      const own = `${path === '' ? '' : `${path}.`}${member.key.name}`;
      const [comment = '', fallback = ''] = textBefore(member.start, from).split(/\s*@default\s+(?:-\s+)?/);
      const inner = below(type, own, from);
      const text = from.source
        .slice(type.start, type.end)
        .replace(/\s+/g, ' ')
        .replace(/\/\*\*.*?\*\/ ?/g, '')
        .replace(/\breadonly /g, '');
      const setting = { path: own, type: text, required: !member.optional, comment, fallback };
      return inner.length > 0 ? [...(comment ? [setting] : []), ...inner] : [setting];
    });
  }

  const start = declared.get(root);
  if (!start) throw new Error(`no source declares ${root}`);
  return members(start.members, '', start);
}

/** The doc comment of the member at a position. */
function textBefore(position: number, { source, comments }: Declared): string {
  const comment = comments.findLast(({ end, type }) => type === 'Block' && end <= position && /^\s*$/.test(source.slice(end, position)));
  return comment
    ? comment.value
        .replace(/^\*/, '')
        .replace(/\n\s*\*/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()
    : '';
}

/** Formats a value; undefined for one that has parts. */
function format(value: unknown): string | undefined {
  if (value instanceof Size) return size(value.toMebibytes());
  if (value instanceof Duration) return value.toHumanString();
  if (value instanceof Cpu) return `${cores(millis(value) / 1000)} cores`;
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value.join(', ');
  return typeof value === 'object' ? undefined : `${value}`;
}

/** Every leaf value of a profile by its path. */
export function values(value: unknown, path = ''): Map<string, string> {
  const text = format(value);
  if (text !== undefined) return new Map([[path, text]]);
  const parts = Object.entries(value as object).map(([key, inner]) =>
    values(inner, Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`),
  );
  return new Map(parts.flatMap((part) => [...part]));
}

/** The differences between two profiles, a sentence for each setting. */
export function differences(one: readonly [name: string, settings: object], other: readonly [name: string, settings: object]): string[] {
  const [[a, left], [b, right]] = [one, other];
  const [before, after] = [values(left), values(right)];
  // A part that one profile lacks stands for all settings below it.
  const only = (name: string, path: string, text: string | undefined, lacking: ReadonlyMap<string, string>) => {
    const parts = path.split('.').map((_, at, all) => all.slice(0, at + 1).join('.'));
    const missing = parts.find(
      (part) => ![...lacking.keys()].some((key) => key === part || key.startsWith(`${part}.`) || key.startsWith(`${part}[`)),
    );
    return `\`${missing}\` is set in ${name} only${missing === path ? `: ${text}` : ''}.`;
  };
  const lines = [...new Set([...before.keys(), ...after.keys()])].flatMap((path) => {
    const [x, y] = [before.get(path), after.get(path)];
    if (x === y) return [];
    if (y === undefined) return [only(a, path, x, after)];
    return [x === undefined ? only(b, path, y, before) : `\`${path}\` is ${x} in ${a} and ${y} in ${b}.`];
  });
  return [...new Set(lines)];
}
