// The User schema of RFC 7643 §4.1, with the characteristics of §8.7.1.
import { binary, boolean, complex, reference, string } from './define.ts'
import type { Attribute, Schema } from './types.ts'

export const USER_URN = 'urn:ietf:params:scim:schemas:core:2.0:User'

const display = string('display', 'A human-readable name, primarily used for display purposes.')
const primary = boolean(
  'primary',
  "Whether this is the preferred value of the attribute. The value 'true' appears no more than once."
)
const type = (canonicalValues?: readonly string[]): Attribute =>
  string('type', "A label indicating the attribute's function.", canonicalValues ? { canonicalValues } : {})

const name = complex('name', "The components of the user's name.", [
  string('formatted', 'The full name, including all middle names, titles and suffixes, formatted for display.'),
  string('familyName', 'The family name of the User, or last name in most Western languages.'),
  string('givenName', 'The given name of the User, or first name in most Western languages.'),
  string('middleName', 'The middle name(s) of the User.'),
  string('honorificPrefix', 'The honorific prefix(es) of the User, or title in most Western languages.'),
  string('honorificSuffix', 'The honorific suffix(es) of the User, or suffix in most Western languages.')
])

const addresses = complex(
  'addresses',
  'Physical mailing addresses of the User.',
  [
    string('formatted', 'The full mailing address, formatted for display or for a mailing label. May hold newlines.'),
    string('streetAddress', 'The full street address component. May hold newlines.'),
    string('locality', 'The city or locality component.'),
    string('region', 'The state or region component.'),
    string('postalCode', 'The zip code or postal code component.'),
    string('country', 'The country name component.'),
    type(['work', 'home', 'other']),
    primary
  ],
  { multiValued: true }
)

const groups = complex(
  'groups',
  'The groups to which the User belongs, directly or through nested groups.',
  [
    string('value', "The identifier of the User's group.", { mutability: 'readOnly' }),
    reference('$ref', ['User', 'Group'], "The URI of the corresponding 'Group' resource.", { mutability: 'readOnly' }),
    string('display', 'A human-readable name of the group.', { mutability: 'readOnly' }),
    string('type', "How the User belongs to the group: 'direct' or 'indirect'.", {
      mutability: 'readOnly',
      canonicalValues: ['direct', 'indirect']
    })
  ],
  { multiValued: true, mutability: 'readOnly' }
)

/** A multi-valued attribute in the usual form: value, display, type, primary (RFC 7643 §2.4). */
const plural = (attributeName: string, description: string, value: Attribute, types?: readonly string[]): Attribute =>
  complex(attributeName, description, [value, display, type(types), primary], { multiValued: true })

export const userSchema: Schema = {
  id: USER_URN,
  name: 'User',
  description: 'User Account',
  attributes: [
    string('userName', 'The identifier of the User, unique within the tenant in any letter case.', {
      required: true,
      uniqueness: 'server'
    }),
    name,
    string('displayName', 'The name of the User, suitable for display to end-users.'),
    string('nickName', 'The casual way to address the User in real life.'),
    reference('profileUrl', ['external'], "A URL of a page representing the User's online profile."),
    string('title', "The User's title, such as 'Vice President'."),
    string('userType', "The relationship between the organization and the User, such as 'Contractor' or 'Employee'."),
    string('preferredLanguage', "The User's preferred written or spoken language, such as 'en-US'."),
    string('locale', "The User's default location for localizing currency, dates and numbers, such as 'en-US'."),
    string('timezone', "The User's time zone in the 'Olson' form, such as 'America/Los_Angeles'."),
    boolean('active', "The User's administrative status."),
    string('password', "The User's cleartext password, to set or to reset it; never returned.", {
      mutability: 'writeOnly',
      returned: 'never'
    }),
    plural('emails', 'E-mail addresses of the User.', string('value', 'An e-mail address of the User.'), [
      'work',
      'home',
      'other'
    ]),
    plural('phoneNumbers', 'Phone numbers of the User.', string('value', 'A phone number of the User.'), [
      'work',
      'home',
      'mobile',
      'fax',
      'pager',
      'other'
    ]),
    plural(
      'ims',
      'Instant messaging addresses of the User.',
      string('value', 'An instant messaging address of the User.'),
      ['aim', 'gtalk', 'icq', 'xmpp', 'msn', 'skype', 'qq', 'yahoo']
    ),
    plural(
      'photos',
      'URLs of photos of the User.',
      reference('value', ['external'], 'A URL of a photo of the User.', { caseExact: true }),
      ['photo', 'thumbnail']
    ),
    addresses,
    groups,
    plural('entitlements', 'The entitlements of the User.', string('value', 'The value of an entitlement.')),
    plural('roles', 'The roles of the User.', string('value', 'The value of a role.')),
    plural(
      'x509Certificates',
      'Certificates issued to the User.',
      binary('value', 'The value of an X.509 certificate: DER, base64 encoded.', { caseExact: true })
    )
  ]
}
