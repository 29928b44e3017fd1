import type { Finding, Platform } from './platform.ts';

/** Every StatefulSet's governing Service exists and is headless: otherwise its pods' names do not resolve, and it cannot change later. */
export function* governingServices(platform: Platform): Iterable<Finding> {
  for (const object of platform.of('StatefulSet')) {
    const service = platform.find('Service', object.spec.serviceName);
    const field = 'spec.serviceName';
    if (!service)
      yield { object, field, wrong: `no Service ${object.spec.serviceName} exists`, fix: 'use a headless Service of this profile' };
    else if (service.spec.clusterIP !== 'None')
      yield { object, field, wrong: `the Service ${service.metadata.name} is not headless`, fix: 'serve it with `headless`' };
  }
}
