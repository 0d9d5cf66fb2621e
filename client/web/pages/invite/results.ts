// Puts the result for each address into words.
import type { Outputs } from '../../api.ts'
import type { Tone } from '../../parts/state-badge.tsx'

export type Results = Outputs['invitations']['create']
export type Outcome = Results['results'][number]['result']

interface Words {
  label: string
  /** What it means for these people, or what to do. */
  text: string
  tone: Tone
}

/** In the order of the summary: successes first. */
const WORDS: Record<Outcome, Words> = {
  invited: { label: 'Invited', text: 'A mail with a link is on its way.', tone: 'good' },
  reinvited: {
    label: 'Invited back',
    text: 'They were here before: their link asks for a new password first.',
    tone: 'good'
  },
  resent: { label: 'Sent again', text: 'A new link is on its way, the old one is dead. The role stays.', tone: 'good' },
  alreadyInvited: { label: 'Already invited', text: 'Nothing changed, and no mail was sent.', tone: 'wait' },
  alreadyMember: { label: 'Already here', text: 'They have an account in this organisation.', tone: 'quiet' },
  managedByIdp: {
    label: 'Managed by your identity provider',
    text: 'They are here already. Your identity provider says who they are and whether they have access: ask whoever runs it.',
    tone: 'quiet'
  },
  emailInOtherTenant: {
    label: 'In another organisation',
    text: 'One address belongs to one organisation. Invite them by another address.',
    tone: 'bad'
  },
  roleNotAllowed: {
    label: 'Role not allowed',
    text: 'The role is above yours. Invite them with a lower one.',
    tone: 'bad'
  },
  domainNotAllowed: {
    label: 'Domain not allowed',
    text: 'Your organisation invites only addresses of certain domains; an administrator sets them.',
    tone: 'bad'
  },
  invalidEmail: { label: 'Not an address', text: 'Check the spelling, then invite them again.', tone: 'bad' }
}

export interface ResultGroup extends Words {
  result: Outcome
  emails: string[]
}

export function groupResults({ results }: Results): ResultGroup[] {
  return (Object.keys(WORDS) as Outcome[])
    .map((result) => ({
      result,
      ...WORDS[result],
      emails: results.filter((outcome) => outcome.result === result).map(addressOf)
    }))
    .filter(({ emails }) => emails.length > 0)
}

const addressOf = ({ email, connection }: Results['results'][number]) =>
  connection ? `${email} (${connection.name})` : email

/** The summary after some of its addresses were sent again. */
export function withNewer(before: Results, newer: Results): Results {
  const byEmail = new Map(newer.results.map((outcome) => [outcome.email.toLowerCase(), outcome]))
  const results = before.results.map((outcome) => byEmail.get(outcome.email.toLowerCase()) ?? outcome)
  return { ...before, results }
}
