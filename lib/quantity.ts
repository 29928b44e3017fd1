import type { Size } from 'cdk8s';
import { type Cpu, k8s } from 'cdk8s-plus-27';

/** A size as a Kubernetes quantity, in whole Gi where possible, otherwise in Mi. */
export function bytes(size: Size): k8s.Quantity {
  const mebibytes = size.toMebibytes();
  return k8s.Quantity.fromString(mebibytes % 1024 === 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`);
}

/** Millicores as a Kubernetes quantity. */
export function cores(millicores: number): k8s.Quantity {
  return k8s.Quantity.fromString(millicores % 1000 === 0 ? `${millicores / 1000}` : `${millicores}m`);
}

/** A CPU as a number of millicores. */
export function millis(cpu: Cpu): number {
  const amount = cpu.amount ?? '0';
  return amount.endsWith('m') ? Number(amount.slice(0, -1)) : Number(amount) * 1000;
}

/** A Kubernetes quantity as a number of cores or bytes: `500m` is 0.5, `1Ki` is 1024; NaN for other text. */
export function amountOf(text: string | undefined): number {
  const [, number, unit = ''] = /^([\d.]+(?:e\d+)?)(n|u|m|k|[MGTPE]|[KMGTPE]i)?$/.exec(text ?? '0') ?? [];
  const small: Readonly<Record<string, number>> = { '': 1, n: 1e-9, u: 1e-6, m: 1e-3 };
  const power = 'kMGTPE'.indexOf(unit.charAt(0).replace('K', 'k')) + 1;
  return Number(number) * (small[unit] ?? (unit.endsWith('i') ? 1024 : 1000) ** power);
}
