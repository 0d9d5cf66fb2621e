// A part of a card: its heading, its actions, its facts.
import { Group, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'

interface SectionProps {
  title: string
  action?: ReactNode
  description?: ReactNode
  children: ReactNode
}

export function Section({ title, action, description, children }: SectionProps) {
  return (
    <section className="card-section" aria-label={title}>
      <Group justify="space-between" mb="sm" gap="xs">
        <Title order={2} size="h3">
          {title}
        </Title>
        {action}
      </Group>
      {description && (
        <Text size="sm" c="dimmed" mb="sm" component="div">
          {description}
        </Text>
      )}
      {children}
    </section>
  )
}

/** Names and values, side by side, or one below the other on a phone. */
export function Facts({ facts }: { facts: [name: string, value: ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? '–'}</dd>
        </div>
      ))}
    </dl>
  )
}
