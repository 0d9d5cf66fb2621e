// The frame of a page: its title (also the document's), its actions, its content.
import { Group, Stack, Text, Title } from '@mantine/core'
import { type ReactNode, useEffect, useRef } from 'react'

interface PageProps {
  title: string
  /** A sentence below the title. */
  description?: ReactNode
  /** Buttons next to the title, or below it on a phone. */
  actions?: ReactNode
  /** Above the title: a link back. */
  above?: ReactNode
  /** `narrow` for forms, `wide` for lists. */
  width?: 'narrow' | 'wide'
  children: ReactNode
}

export function Page({ title, description, actions, above, width = 'wide', children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  useDocumentTitle(title)
  useEffect(() => {
    // after a link nothing has the focus: users of a keyboard or screen reader start at the new page's title
    if (document.activeElement === document.body) heading.current?.focus({ preventScroll: true })
  }, [])
  return (
    <div className={`page page-${width}`}>
      {above}
      <Group justify="space-between" align="flex-start" gap="sm" mb="md" className="page-head">
        <Stack gap={2} miw={0}>
          <Title order={1} ref={heading} tabIndex={-1} className="page-title">
            {title}
          </Title>
          {description && (
            <Text c="dimmed" size="sm" component="div">
              {description}
            </Text>
          )}
        </Stack>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </div>
  )
}

/** `Title · Muster` in the browser's tab. */
export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Muster`
  }, [title])
}
