// A person in lists and headers: initials, name, address.
import { RowLink } from './row-link.tsx'

interface Named {
  displayName?: string | null
  givenName?: string | null
  familyName?: string | null
  email?: string | null
  userName?: string | null
}

/** A person's shown name: display name, else full name, else address, else user name. */
export const shownName = ({ displayName, givenName, familyName, email, userName }: Named): string =>
  displayName || [givenName, familyName].filter(Boolean).join(' ') || email || userName || 'Unnamed'

/** At most two letters: of a name's first and last word, or the first of an address. */
function initialsOf(name: string): string {
  const words = name
    .split('@')[0]!
    .split(/[\s._-]+/)
    .filter(Boolean)
  const first = [...(words[0] ?? '?')][0] ?? '?'
  const last = words.length > 1 ? ([...words.at(-1)!][0] ?? '') : ''
  return (first + last).toUpperCase()
}

const COLOURS = 6

/** Decoration next to a name, drawn by the style sheet, so that it cannot be read, found or copied as text. */
export function Initials({ name, size = 36 }: { name: string; size?: number }) {
  let sum = 0
  for (const char of name) sum = (sum * 31 + char.charCodeAt(0)) >>> 0
  return (
    <span
      className={`initials initials-${sum % COLOURS}`}
      style={{ width: size, height: size, fontSize: size * 0.38 }}
      data-initials={initialsOf(name)}
      aria-hidden
    />
  )
}

interface PersonProps {
  user: Named & { id?: string }
  /** Links to the person's page; the link covers its row (class `row`). */
  isLink?: boolean
  size?: number
}

export function Person({ user, isLink = false, size = 36 }: PersonProps) {
  const name = shownName(user)
  const address = user.email ?? user.userName
  return (
    <span className="person">
      <Initials name={name} size={size} />
      <span className="person-text">
        {isLink && user.id ? (
          <RowLink to={`/users/${user.id}`} className="person-name">
            {name}
          </RowLink>
        ) : (
          <span className="person-name">{name}</span>
        )}
        {address && address !== name && <span className="person-address">{address}</span>}
      </span>
    </span>
  )
}
