// /Me (RFC 7644 §3.11): the user whom an API token belongs to. An identity provider's token belongs to no user.
import { AppError } from '../errors.ts'
import { requireAdministrator } from '../provisioning/actor.ts'
import type { ScimContext, ScimHandler, ScimRequest } from './context.ts'
import { deleteUser, getUser, patchUser, replaceUser } from './users.ts'

/** @throws AppError not_implemented (501) for a SCIM token */
function ownRequest({ actor }: ScimContext, request: ScimRequest): ScimRequest {
  if (actor.kind === 'apiToken' && actor.id !== null) return { ...request, id: actor.id }
  throw new AppError('not_implemented', 'This token belongs to no user, so there is no /Me', { reason: 'noMe' })
}

export const getMe: ScimHandler = (context, request) => getUser(context, ownRequest(context, request))

/** POST /Me would create the caller's own user, who already exists. */
export const createMe: ScimHandler = (context, request) => {
  ownRequest(context, request)
  throw new AppError('not_implemented', 'Whoever has an API token is a user already', { reason: 'noMe' })
}

/** Other users change their profile through the admin API, which knows what they may change. */
const changeMe =
  (handler: ScimHandler): ScimHandler =>
  (context, request) => {
    const own = ownRequest(context, request)
    requireAdministrator(context.actor, 'change users through SCIM')
    return handler(context, own)
  }

export const replaceMe = changeMe(replaceUser)
export const patchMe = changeMe(patchUser)
export const deleteMe = changeMe(deleteUser)
