// The attributes of every resource (RFC 7643 §3 and §3.1). /Schemas does not list them; paths reach them.
import { complex, dateTime, reference, string } from './define.ts'
import type { Attribute } from './types.ts'

export const commonAttributes: readonly Attribute[] = [
  reference('schemas', ['uri'], 'The URIs of the schemas that define the attributes of the resource.', {
    multiValued: true,
    required: true,
    returned: 'always'
  }),
  string('id', 'A unique identifier for the resource, as defined by the service provider.', {
    required: true,
    caseExact: true,
    mutability: 'readOnly',
    returned: 'always',
    uniqueness: 'server'
  }),
  string('externalId', 'An identifier for the resource, as defined by the provisioning client.', { caseExact: true }),
  complex(
    'meta',
    'Metadata of the resource.',
    [
      string('resourceType', 'The name of the resource type of the resource.', {
        caseExact: true,
        mutability: 'readOnly'
      }),
      dateTime('created', 'When the resource was added to the service provider.', { mutability: 'readOnly' }),
      dateTime('lastModified', 'When the resource was last updated at the service provider.', {
        mutability: 'readOnly'
      }),
      reference('location', ['uri'], 'The URI of the resource.', { caseExact: true, mutability: 'readOnly' }),
      string('version', 'The version of the resource, equal to the ETag.', { caseExact: true, mutability: 'readOnly' })
    ],
    { mutability: 'readOnly' }
  )
]
