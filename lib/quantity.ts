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
