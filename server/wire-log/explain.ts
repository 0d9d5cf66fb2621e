// Explains a refusal: what it means, and what can be changed in the identity provider.

export interface Explanation {
  readonly means: string
  readonly change: string
}

/** By the error's reason. The answer itself names the attribute or place. */
const BY_REASON: Readonly<Record<string, Explanation>> = {
  invalidFilter: {
    means: 'The search was not understood, so nobody was looked for.',
    change:
      'Choose userName, externalId or the e-mail address as the matching attribute in the identity provider, without expressions of its own.'
  },
  invalidPath: {
    means: 'A change names an attribute that does not exist here.',
    change:
      'Remove that attribute from the mapping, or register a schema of your own that has it, then let the provider send it again.'
  },
  noTarget: {
    means: 'A change is about a value that is not there, and the connection is set to refuse that.',
    change: 'Set the profile of the connection to that of your identity provider, or to “auto”: the value is then made.'
  },
  mutability: {
    means: 'The request changes something that only we may change, such as an id.',
    change: 'Remove the attribute from the mapping.'
  },
  invalidValue: {
    means: 'A value has the wrong form, is too long, or refers to somebody who is not here.',
    change: 'Correct the value of the attribute that the answer names, at the source or in the mapping.'
  },
  invalidSyntax: {
    means: 'The request is not in the form that SCIM asks for.',
    change:
      'Set the profile of the connection to that of your identity provider, or to “auto”. If it stays, tell the vendor: its request does not follow RFC 7644.'
  },
  uniqueness: {
    means: 'Somebody else has this name or address already, here or in another organisation of this service.',
    change:
      'Search the people for the address. If it is the same person, let the provider match by that attribute; otherwise change one of the two addresses.'
  },
  needsDecision: {
    means: 'Somebody here may be the same person, and whether they are takes a person’s judgement.',
    change: 'Decide under Provisioning, Conflicts. The provider tries again by itself, and is then answered as decided.'
  },
  tooMany: {
    means: 'The answer would be larger than what is sent at once.',
    change: 'Let the provider ask for pages, with startIndex and count.'
  },
  invalidCursor: {
    means: 'The list was asked for from a place that does not exist.',
    change: 'Nothing: the provider begins its list anew.'
  },
  expiredCursor: {
    means: 'The provider took more than an hour between two pages of a list.',
    change: 'Nothing: the provider begins its list anew.'
  },
  invalidCount: {
    means: 'The provider asked for a page of no size.',
    change: 'Correct the size of pages in the provider, where it has such a setting.'
  },
  roleNotAllowed: {
    means: 'The request gives a role, or changes somebody whose role is above the highest role of the connection.',
    change:
      'Raise the highest role of the connection, or leave people with higher roles out of what the provider is assigned.'
  },
  lastAdministrator: {
    means: 'The request would take away the last active administrator.',
    change: 'Name another administrator first, then let the provider try again.'
  },
  notYourself: {
    means: 'Whoever’s token this is would take away their own access.',
    change: 'Use a SCIM token of a connection instead of a person’s API token.'
  },
  sessionOnly: {
    means: 'The token is a person’s, and the request would change that person’s own password or login address.',
    change: 'Change them in the page, signed in, or by a SCIM token of a connection.'
  },
  administratorOnly: {
    means: 'The token is that of a person who is no administrator.',
    change: 'Create a SCIM token for the connection and paste it into the provider.'
  },
  missingToken: {
    means: 'The request came without a token.',
    change: 'Paste the SCIM token into the provider’s field for the secret or bearer token.'
  },
  invalidToken: {
    means: 'The token is none of this organisation’s, or it has expired or was revoked.',
    change:
      'Rotate the connection’s token, and paste the new one into the provider. Check that the base URL is this one’s.'
  },
  groupCycle: {
    means: 'Groups would contain each other.',
    change: 'Take one of the groups out of the other one in the provider.'
  },
  unknownMember: {
    means: 'A group shall contain somebody who is not here.',
    change:
      'Assign that person to the application in the provider, so that they are provisioned before the group. It then tries again by itself.'
  },
  notMade: {
    means: 'A request of many refers to something in it that was refused.',
    change: 'Look at the refusal of what it refers to, in the same answer.'
  },
  filterNotAllowed: {
    means: 'What the service can do was asked for with a search, which SCIM forbids.',
    change: 'Nothing, unless you wrote the request yourself.'
  },
  stale: {
    means: 'Somebody else had changed the same person or group since the provider last read it.',
    change: 'Nothing: the provider reads it again and repeats its request.'
  },
  excludedVersion: {
    means: 'The request excludes (If-None-Match) the very version that the person or group has.',
    change: 'Nothing, unless you wrote the request yourself: the provider already knows this version.'
  },
  notFound: {
    means: 'The person or group is not here: never provisioned, removed, or out of what this connection may see.',
    change:
      'Mostly nothing: it is how a provider finds out. If it goes on, let the provider restart its provisioning, so that it forgets the old id.'
  },
  rateLimited: {
    means: 'The provider sent more requests than the connection may.',
    change: 'Nothing: it was told when to try again.'
  },
  heldByBrake: {
    means: 'The connection took away more people or memberships within an hour than its brake lets through.',
    change:
      'Look at who is affected under Provisioning, the connection, Brake, and release or reject it. The provider tries again by itself.'
  },
  rejectedByAdministrator: {
    means: 'An administrator has rejected to take this person’s access or membership away.',
    change:
      'Put right in the provider what makes it ask, or lift the rejection under Provisioning, the connection, Brake.'
  },
  goingLive: {
    means: 'The connection was leaving shadow mode just then.',
    change: 'Nothing: the provider tries again by itself.'
  },
  shadowGone: {
    means: 'The connection is in shadow mode, and the copy that it changes is gone.',
    change: 'Put the connection into shadow mode again, or create a token that is live.'
  },
  groupsNotAllowed: {
    means: 'The token is that of a person who may not change groups.',
    change: 'Create a SCIM token for the connection and paste it into the provider.'
  },
  managedByConnection: {
    means: 'What the request changes is managed by another identity provider, and read-only to a person’s API token.',
    change: 'Use a SCIM token of a connection, or release the person or group from the connection that manages it.'
  },
  tooLarge: {
    means: 'The request is larger than 2 MB.',
    change: 'Let the provider send fewer members or operations at once.'
  },
  unsupportedMediaType: {
    means: 'The request says that its body is not JSON.',
    change: 'Set the content type to application/scim+json in the provider.'
  },
  noMe: {
    means: '/Me stands for whoever asks, and a SCIM token is nobody.',
    change: 'Nothing, unless you wrote the request yourself.'
  },
  unavailable: {
    means: 'The service was overloaded or could not reach its database.',
    change: 'Nothing: the provider tries again. If it lasts, tell whoever runs the service.'
  },
  internal: {
    means: 'Something went wrong on our side.',
    change: 'Tell whoever runs the service, with the request’s number.'
  }
}

const BY_STATUS: Readonly<Record<number, string>> = {
  400: 'invalidSyntax',
  401: 'invalidToken',
  404: 'notFound',
  409: 'uniqueness',
  412: 'stale',
  413: 'tooLarge',
  415: 'unsupportedMediaType',
  429: 'rateLimited',
  501: 'noMe',
  503: 'unavailable'
}

const NOT_ALLOWED: Explanation = {
  means: 'The path does not take this method, or the connection may not do this.',
  change: 'Compare the base URL in the provider with the one on the page of provisioning.'
}

/** @returns undefined for an answer that is not a refusal */
export function explain(given: { status: number; reason?: string; scimType?: string }): Explanation | undefined {
  const { status, reason, scimType } = given
  if (status < 400) return undefined
  for (const key of [reason, scimType, BY_STATUS[status] ?? (status >= 500 ? 'internal' : undefined)]) {
    const found = key !== undefined && Object.hasOwn(BY_REASON, key) ? BY_REASON[key] : undefined
    if (found) return found
  }
  return NOT_ALLOWED
}
