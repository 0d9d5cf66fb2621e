// Short notation for attributes: omitted characteristics have the defaults of RFC 7643 §2.2.
import type { Attribute } from './types.ts'

type Characteristics = Partial<Omit<Attribute, 'name' | 'description' | 'type' | 'subAttributes'>>

export const string = (name: string, description: string, rest: Characteristics = {}): Attribute => ({
  name,
  type: 'string',
  multiValued: false,
  description,
  required: false,
  caseExact: false,
  mutability: 'readWrite',
  returned: 'default',
  uniqueness: 'none',
  ...rest
})

export const boolean = (name: string, description: string, rest: Characteristics = {}): Attribute => ({
  ...string(name, description, rest),
  type: 'boolean'
})

export const dateTime = (name: string, description: string, rest: Characteristics = {}): Attribute => ({
  ...string(name, description, rest),
  type: 'dateTime'
})

export const reference = (
  name: string,
  referenceTypes: readonly string[],
  description: string,
  rest: Characteristics = {}
): Attribute => ({ ...string(name, description, rest), type: 'reference', referenceTypes })

export const binary = (name: string, description: string, rest: Characteristics = {}): Attribute => ({
  ...string(name, description, rest),
  type: 'binary'
})

export const complex = (
  name: string,
  description: string,
  subAttributes: readonly Attribute[],
  rest: Characteristics = {}
): Attribute => ({ ...string(name, description, rest), type: 'complex', subAttributes })
