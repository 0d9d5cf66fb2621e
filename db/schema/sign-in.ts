// What people and backends sign in with.
import type { Generated } from 'kysely'
import type { Role } from './values.ts'

export interface UserCredentialsTable {
  tenant_id: number
  user_id: string
  password_hash: string
  updated_at: Date
}

export interface GoogleIdentitiesTable {
  tenant_id: number
  issuer: string
  subject: string
  user_id: string
  email: string
  created_at: Date
}

export interface SessionsTable {
  tenant_id: number
  id: string
  token_hash: Buffer
  user_id: string
  method: 'password' | 'google' | 'invitation' | 'reset' | 'link'
  ip: string | null
  user_agent: string | null
  created_at: Date
  last_seen_at: Date
  expires_at: Date
  /** When the person last proved again who they are, after signing in. */
  confirmed_at: Generated<Date | null>
}

export interface SecondFactorsTable {
  tenant_id: number
  user_id: string
  secret_sealed: Buffer
  /** Null until a code from it was entered. */
  confirmed_at: Date | null
  /** The time step of the code that was used last: bigint, read as text. */
  last_step: string
  recovery_hashes: Buffer[]
  created_at: Date
}

export interface ApiTokensTable {
  tenant_id: number
  id: string
  token_hash: Buffer
  user_id: string
  name: string
  role: Role
  /** The API token that made it, and with which it ends; null if a person made it. */
  made_by: string | null
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
}

export interface OneTimeCodesTable {
  tenant_id: number
  code_hash: Buffer
  purpose: 'google' | 'link'
  user_id: string
  /** SHA-256 of the cookie of the browser that began, when the code may only be used there. */
  browser_hash: Buffer | null
  expires_at: Date
}

export interface PasswordResetsTable {
  tenant_id: number
  token_hash: Buffer
  user_id: string
  created_at: Date
  expires_at: Date
  used_at: Date | null
}

export interface RateLimitsTable {
  key: string
  points: number
  expire: string | null
}
