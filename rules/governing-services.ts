import type { Finding, Platform } from './platform.ts';

/** The Service that names a StatefulSet's pods exists and is headless: otherwise the names do not resolve, and cannot be fixed later. */
export function* governingServices(platform: Platform): Iterable<Finding> {
  for (const object of platform.of('StatefulSet')) {
    const service = platform.find('Service', object.spec.serviceName);
    const field = 'spec.serviceName';
    if (!service)
      yield { object, field, wrong: `there is no Service ${object.spec.serviceName}`, fix: 'name a headless Service of this profile' };
    else if (service.spec.clusterIP !== 'None')
      yield { object, field, wrong: `the Service ${service.metadata.name} is not headless`, fix: 'serve it with `headless`' };
  }
}
