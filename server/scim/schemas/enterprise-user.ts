// The enterprise extension of User, RFC 7643 §4.3.
import { complex, reference, string } from './define.ts'
import type { Schema } from './types.ts'

export const ENTERPRISE_USER_URN = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

export const enterpriseUserSchema: Schema = {
  id: ENTERPRISE_USER_URN,
  name: 'EnterpriseUser',
  description: 'Enterprise User',
  attributes: [
    string('employeeNumber', 'Numeric or alphanumeric identifier assigned to a person.'),
    string('costCenter', 'The name of a cost center.'),
    string('organization', 'The name of an organization.'),
    string('division', 'The name of a division.'),
    string('department', 'The name of a department.'),
    complex('manager', "The User's manager.", [
      string('value', "The id of the SCIM resource representing the User's manager."),
      reference('$ref', ['User'], "The URI of the SCIM resource representing the User's manager."),
      string('displayName', "The displayName of the User's manager.", { mutability: 'readOnly' })
    ])
  ]
}
