// The frame of pages without sign-in: whose page it is, and one card.
import { Box, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { trpc } from '../api.ts'
import { useDocumentTitle } from './page.tsx'
import { SchemeSwitch } from './scheme-switch.tsx'

/** What the page may know before sign-in: name, logo, Google, the minimum length of passwords. */
export const useEntrance = () =>
  useQuery(trpc.settings.get.queryOptions(undefined, { staleTime: 60_000 })).data?.settings

interface EntranceProps {
  title: string
  description?: ReactNode
  children: ReactNode
}

export function Entrance({ title, description, children }: EntranceProps) {
  const tenant = useEntrance()
  useDocumentTitle(title)
  return (
    <Box component="main" className="entrance">
      <Group justify="flex-end" className="entrance-top">
        <SchemeSwitch />
      </Group>
      <Stack gap="lg" className="entrance-card card">
        {tenant && (
          <Group gap="xs" wrap="nowrap" mih={28}>
            {tenant.logoUrl && <img src={tenant.logoUrl} alt="" className="logo" />}
            <Text fw={650} truncate>
              {tenant.name}
            </Text>
          </Group>
        )}
        <Stack gap={4}>
          <Title order={1} size="h2" className="page-title">
            {title}
          </Title>
          {description && (
            <Text c="dimmed" size="sm" component="div">
              {description}
            </Text>
          )}
        </Stack>
        {children}
      </Stack>
    </Box>
  )
}
