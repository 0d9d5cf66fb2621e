// E-mail addresses: what counts as one, and the form in which two are the same.
import { domainToASCII } from 'node:url'

const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const DOMAIN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

/**
 * The address in `text`, or undefined where it is none (RFC 5321's dot-string, at most 254 characters; no quoted
 * local parts, no address literals). A domain in other scripts becomes its ASCII form (RFC 5891).
 */
export function parseAddress(text: string): string | undefined {
  const trimmed = text.trim()
  const at = trimmed.lastIndexOf('@')
  if (at < 1 || trimmed.length > 254) return undefined
  const local = trimmed.slice(0, at)
  const domain = isAscii(trimmed) ? trimmed.slice(at + 1) : domainToASCII(trimmed.slice(at + 1))
  if (local.length > 64 || domain.length > 253 || !LOCAL_PART.test(local) || !DOMAIN.test(domain)) return undefined
  return `${local}@${domain}`
}

/** One address in any letter case is one person. */
export const addressKey = (address: string) => address.toLowerCase()

const isAscii = (text: string) => /^[\x00-\x7f]*$/.test(text)
