// How to set up each identity provider, in the words of its admin console. `**…**` is something on the screen, `` `…`
// `` something to type or compare.
import type { Inputs } from '../../api.ts'

export type Profile = NonNullable<Inputs['scimTokens']['create']['profile']>

export interface Guide {
  readonly profile: Profile
  readonly name: string
  /** What to know before the first step. */
  readonly intro: string
  readonly steps: readonly Step[]
}

export interface Step {
  readonly title: string
  readonly text: readonly string[]
  /** Fields of the console and their values. `{baseUrl}` is the tenant's; `{token}` stands for the token. */
  readonly fields?: readonly (readonly [field: string, value: string])[]
  /** The SCIM attributes, and the provider's attributes that they come from. */
  readonly mapping?: readonly Mapping[]
  readonly template?: { readonly field: string; readonly text: string }
}

export interface Mapping {
  readonly scim: string
  readonly source: string
  readonly note?: string
}

const entra: Guide = {
  profile: 'entra',
  name: 'Microsoft Entra ID',
  intro:
    'You need the Application Administrator role in Entra ID. Entra sends changes about every 40 minutes; **Provision on demand** sends one person at once.',
  steps: [
    {
      title: 'Create the application',
      text: [
        'In the Microsoft Entra admin center open **Entra ID › Enterprise apps › New application › Create your own application**.',
        'Name it `Muster`, choose **Integrate any other application you don’t find in the gallery (Non-gallery)**, then **Create**.'
      ]
    },
    {
      title: 'Connect it',
      text: [
        'In the application open **Provisioning** and choose **New configuration** (older consoles: **Get started**, then Provisioning Mode **Automatic**).',
        'Press **Test connection**. When it succeeds, press **Create** or **Save**.'
      ],
      fields: [
        ['Authentication method', 'Bearer authentication'],
        ['Tenant URL', '{baseUrl}'],
        ['Secret token', '{token}']
      ]
    },
    {
      title: 'Check the attribute mapping',
      text: [
        'Under **Attribute mapping › Provision Microsoft Entra ID Users** keep `userName` as the matching attribute, precedence 1. These rows matter; others may stay as they are.',
        'To give roles, create app roles with the values `stakeholder`, `responder`, `manager` and `administrator` under **App registrations › Muster › App roles**.'
      ],
      mapping: [
        { scim: 'userName', source: 'userPrincipalName', note: 'matching, precedence 1' },
        { scim: 'active', source: 'Switch([IsSoftDeleted], , "False", "True", "True", "False")' },
        { scim: 'emails[type eq "work"].value', source: 'mail', note: 'the address that people sign in with' },
        { scim: 'displayName', source: 'displayName' },
        { scim: 'name.givenName', source: 'givenName' },
        { scim: 'name.familyName', source: 'surname' },
        { scim: 'externalId', source: 'objectId', note: 'in place of mailNickname: it never changes' },
        {
          scim: 'roles[primary eq "True"].value',
          source: 'SingleAppRoleAssignment([appRoleAssignments])',
          note: 'optional, mapping type Expression'
        }
      ]
    },
    {
      title: 'Say who is provisioned',
      text: [
        'Under **Users and groups** assign people and groups. In **Provisioning › Settings** set **Scope** to **Sync only assigned users and groups**.'
      ]
    },
    {
      title: 'Test, then start',
      text: [
        'Open **Provision on demand**, pick one person and press **Provision**: each step should say Success, and the person appears under People here.',
        'Then press **Start provisioning**. If the job goes into quarantine, a token has expired or was revoked: rotate it here, paste the new one under **Connectivity**, and restart.'
      ]
    }
  ]
}

const okta: Guide = {
  profile: 'okta',
  name: 'Okta',
  intro: 'You need an Okta administrator who may manage applications, and Lifecycle Management in your Okta plan.',
  steps: [
    {
      title: 'Create the application',
      text: [
        'In the Okta Admin Console open **Applications › Applications › Create App Integration**, choose **SAML 2.0** or **SWA**, name it `Muster` and finish the wizard.',
        'On the **General** tab press **Edit** in App Settings, set **Provisioning** to **SCIM**, then **Save**.'
      ]
    },
    {
      title: 'Connect it',
      text: [
        'On the **Provisioning** tab open **Integration** and press **Edit**.',
        'Press **Test Connector Configuration**: all chosen actions should show a tick. Then **Save**.'
      ],
      fields: [
        ['SCIM connector base URL', '{baseUrl}'],
        ['Unique identifier field for users', 'userName'],
        ['Supported provisioning actions', 'Push New Users, Push Profile Updates, Push Groups'],
        ['Authentication Mode', 'HTTP Header'],
        ['Authorization (Bearer)', '{token}']
      ]
    },
    {
      title: 'Switch the actions on',
      text: [
        'Still on **Provisioning**, open **To App**, press **Edit** and enable **Create Users**, **Update User Attributes** and **Deactivate Users**. Leave **Sync Password** off: people choose their own here.'
      ]
    },
    {
      title: 'Check the attribute mapping',
      text: [
        'Under **To App › Attribute Mappings** these rows matter. To give roles, add an attribute in **Directory › Profile Editor** with External name `roles.^[primary==true].value` and External namespace `urn:ietf:params:scim:schemas:core:2.0:User`.'
      ],
      mapping: [
        { scim: 'userName', source: 'user.login', note: 'Application username format: Okta username or Email' },
        { scim: 'emails.^[primary==true].value', source: 'user.email', note: 'the address that people sign in with' },
        { scim: 'name.givenName', source: 'user.firstName' },
        { scim: 'name.familyName', source: 'user.lastName' },
        { scim: 'displayName', source: 'user.displayName' },
        {
          scim: 'roles.^[primary==true].value',
          source: 'your attribute',
          note: 'optional: stakeholder, responder, manager or administrator'
        }
      ]
    },
    {
      title: 'Assign people and push groups',
      text: [
        'Assign people or groups on **Assignments**. Push groups by name or rule on **Push Groups**; use other groups for pushing than for assigning, as Okta advises.'
      ]
    },
    {
      title: 'Test',
      text: [
        'Assign one person: within a minute they appear under People here. Unassign them: they are deactivated, not deleted. Failures are listed under **Dashboard › Tasks**, with the reason that Muster gave.'
      ]
    }
  ]
}

const oneLogin: Guide = {
  profile: 'onelogin',
  name: 'OneLogin',
  intro: 'You need a OneLogin account owner or super user.',
  steps: [
    {
      title: 'Add the application',
      text: [
        'In OneLogin Administration open **Applications › Applications › Add App**, search for `SCIM Provisioner with SAML (SCIM v2 Enterprise)`, name it `Muster` and press **Save**.'
      ]
    },
    {
      title: 'Connect it',
      text: [
        'On the **Configuration** tab fill in **API Connection**, then press **Enable** beside **API Status** and **Save**.'
      ],
      fields: [
        ['SCIM Base URL', '{baseUrl}'],
        ['SCIM Bearer Token', '{token}'],
        ['Custom Headers', 'leave empty']
      ],
      template: {
        field: 'SCIM JSON Template',
        text: `{
  "schemas": [
    "urn:ietf:params:scim:schemas:core:2.0:User",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
  ],
  "userName": "{$parameters.scimusername}",
  "displayName": "{$user.display_name}",
  "name": {
    "givenName": "{$user.firstname}",
    "familyName": "{$user.lastname}"
  },
  "emails": [
    { "value": "{$user.email}", "type": "work", "primary": true }
  ],
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
    "department": "{$user.department}"
  }
}`
      }
    },
    {
      title: 'Check the parameters',
      text: ['On the **Parameters** tab these rows matter. To give roles, add a `roles` list to the template above.'],
      mapping: [
        { scim: 'SCIM Username', source: 'Email', note: 'becomes userName' },
        { scim: 'SAML NameID (Subject)', source: 'Email' },
        { scim: 'Groups', source: 'by rule', note: 'tick Include in User Provisioning' },
        { scim: 'roles', source: '[{ "value": "responder", "primary": true }]', note: 'optional, in the template' }
      ]
    },
    {
      title: 'Switch provisioning on',
      text: [
        'On the **Provisioning** tab tick **Enable provisioning**. Untick approval for **Create user**, **Delete user** and **Update user** once you trust the result.',
        'When users are deleted or lose access choose **Suspend**: they are deactivated here, and their groups are kept.'
      ]
    },
    {
      title: 'Test',
      text: [
        'Under **Users** open one person, add the app on their **Applications** tab and save. Its state turns to Provisioned, and the person appears under People here. What fails is listed under **Users › Provisioning**.'
      ]
    }
  ]
}

const jumpCloud: Guide = {
  profile: 'jumpcloud',
  name: 'JumpCloud',
  intro:
    'JumpCloud tests a connection by creating a user and a group and deleting both again: they never get mail from Muster, and they leave entries in the audit log.',
  steps: [
    {
      title: 'Add the application',
      text: [
        'In the JumpCloud Admin Portal open **Access › SSO Applications › Add New Application**, choose **Custom Application** and tick **Export users to this app (Identity Management)**.',
        'Name it `Muster`, press **Save Application**, then **Configure Application**.'
      ]
    },
    {
      title: 'Connect it',
      text: [
        'On the **Identity Management** tab fill in the fields. Press **Test Connection**, then **Activate** and **Save**.',
        'Tick **Enable management of User Groups and Group Membership** to provision groups too.'
      ],
      fields: [
        ['API Type', 'SCIM API'],
        ['SCIM Version', 'SCIM 2.0'],
        ['Base URL', '{baseUrl}'],
        ['Token Key', '{token}'],
        ['Test User Email', 'an address of your domain that nobody has']
      ]
    },
    {
      title: 'Check the attribute mapping',
      text: ['Under **Attribute Mapping** on the same tab these rows matter.'],
      mapping: [
        { scim: 'userName', source: 'email', note: 'or username' },
        { scim: 'emails', source: 'email', note: 'the address that people sign in with' },
        { scim: 'name.givenName', source: 'firstname' },
        { scim: 'name.familyName', source: 'lastname' },
        { scim: 'displayName', source: 'displayname' }
      ]
    },
    {
      title: 'Say who is provisioned',
      text: ['On the **User Groups** tab tick the groups whose members should come here, then **Save**.']
    },
    {
      title: 'Test',
      text: [
        'Add one person to one of the groups: within minutes they appear under People here. **Insights › Directory Insights** shows each request and its answer.'
      ]
    }
  ]
}

const google: Guide = {
  profile: 'google',
  name: 'Google Workspace',
  intro:
    'Google provisions only to apps of its own catalogue, and people only, no groups. Muster is not in the catalogue: choose an entry whose autoprovisioning takes an endpoint URL and an access token. For sign-in with Google alone you need none of this: switch it on in Settings.',
  steps: [
    {
      title: 'Add the application',
      text: [
        'In the Google Admin console open **Apps › Web and mobile apps › Add app › Search for apps**, choose the catalogue’s entry and finish its wizard.',
        'Under **User access** switch the app on for the people who should come here.'
      ]
    },
    {
      title: 'Connect it',
      text: ['In the app open **Autoprovisioning › Configure autoprovisioning**.'],
      fields: [
        ['Access token', '{token}'],
        ['Endpoint URL', '{baseUrl}']
      ]
    },
    {
      title: 'Check the attribute mapping',
      text: ['Google reads the attributes from this service. These rows matter.'],
      mapping: [
        { scim: 'userName', source: 'Basic Information › Primary Email' },
        { scim: 'emails[type eq "work"].value', source: 'Basic Information › Primary Email' },
        { scim: 'name.givenName', source: 'Basic Information › First Name' },
        { scim: 'name.familyName', source: 'Basic Information › Last Name' }
      ]
    },
    {
      title: 'Scope and deprovisioning',
      text: [
        'Leave **Provisioning scope** empty for everybody who has the app, or name groups.',
        'For **Deprovisioning** choose to suspend after 24 hours: suspended people are deactivated here. Press **Finish**, then switch **Autoprovisioning** on.'
      ]
    },
    {
      title: 'Test',
      text: [
        'Give the app to one person: within some hours they appear under People here. **Autoprovisioning › View details** in the app counts who was created, suspended and failed.'
      ]
    }
  ]
}

export const GUIDES: readonly Guide[] = [entra, okta, oneLogin, jumpCloud, google]

export const PROFILES: readonly { value: Profile; label: string; hint: string }[] = [
  { value: 'auto', label: 'Any identity provider', hint: 'Understands the habits of all of them' },
  ...GUIDES.map(({ profile, name }) => ({ value: profile, label: name, hint: `Understands the habits of ${name}` })),
  { value: 'strict', label: 'Strict SCIM 2.0', hint: 'The RFCs alone: refuses what deviates from them' }
]

export const profileName = (profile: string) => PROFILES.find(({ value }) => value === profile)?.label ?? profile
