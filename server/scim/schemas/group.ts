// The Group schema of RFC 7643 §4.2. displayName is required by the text of §4.2 (the example in §8.7.1 makes it
// optional), and members have the `display` that §2.4 gives every multi-valued attribute.
import { complex, reference, string } from './define.ts'
import type { Schema } from './types.ts'

export const GROUP_URN = 'urn:ietf:params:scim:schemas:core:2.0:Group'

export const groupSchema: Schema = {
  id: GROUP_URN,
  name: 'Group',
  description: 'Group',
  attributes: [
    string('displayName', 'A human-readable name for the Group.', { required: true, uniqueness: 'server' }),
    complex(
      'members',
      'The members of the Group.',
      [
        string('value', 'Identifier of the member of this Group.', { mutability: 'immutable' }),
        reference('$ref', ['User', 'Group'], 'The URI of the resource that is a member of this Group.', {
          mutability: 'immutable'
        }),
        string('display', 'A human-readable name of the member.', { mutability: 'readOnly' }),
        string('type', "The type of the member: 'User' or 'Group'.", {
          mutability: 'immutable',
          canonicalValues: ['User', 'Group']
        })
      ],
      { multiValued: true }
    )
  ]
}
