// Replaces an empty list: what would be here, and how it gets here.
import { Stack, Text, Title } from '@mantine/core'
import type { ComponentType, ReactNode } from 'react'

interface EmptyProps {
  icon?: ComponentType<{ size?: number; stroke?: number }>
  title: string
  children?: ReactNode
  action?: ReactNode
}

export function Empty({ icon: Icon, title, children, action }: EmptyProps) {
  return (
    <Stack align="center" gap="xs" py={56} px="md" className="empty">
      {Icon && (
        <span className="empty-icon" aria-hidden>
          <Icon size={28} stroke={1.5} />
        </span>
      )}
      <Title order={2} size="h3" ta="center">
        {title}
      </Title>
      {children && (
        <Text c="dimmed" size="sm" ta="center" maw={420} component="div">
          {children}
        </Text>
      )}
      {action}
    </Stack>
  )
}
