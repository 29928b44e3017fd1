import type { Size } from 'cdk8s';
import { type Cpu, k8s } from 'cdk8s-plus-27';

/** A size as Kubernetes writes it, in the largest unit that it is a whole number of. */
export function bytes(size: Size): k8s.Quantity {
  const mebibytes = size.toMebibytes();
  return k8s.Quantity.fromString(mebibytes % 1024 === 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`);
}

/** Thousandths of a core as Kubernetes writes them. */
export function cores(millicores: number): k8s.Quantity {
  return k8s.Quantity.fromString(millicores % 1000 === 0 ? `${millicores / 1000}` : `${millicores}m`);
}

/** Thousandths of a core. */
export function millis(cpu: Cpu): number {
  const amount = cpu.amount ?? '0';
  return amount.endsWith('m') ? Number(amount.slice(0, -1)) : Number(amount) * 1000;
}

/** A quantity as a number of cores or bytes: `500m` is 0.5, `1Ki` is 1024. Text that is none gives NaN. */
export function amountOf(text: string | undefined): number {
  const [, number, unit = ''] = /^([\d.]+(?:e\d+)?)(n|u|m|k|[MGTPE]|[KMGTPE]i)?$/.exec(text ?? '0') ?? [];
  const small: Readonly<Record<string, number>> = { '': 1, n: 1e-9, u: 1e-6, m: 1e-3 };
  const power = 'kMGTPE'.indexOf(unit.charAt(0).replace('K', 'k')) + 1;
  return Number(number) * (small[unit] ?? (unit.endsWith('i') ? 1024 : 1000) ** power);
}
