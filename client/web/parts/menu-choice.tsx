// An entry in a menu of actions. A disabled one says why.
import { Menu, Text } from '@mantine/core'
import type { ComponentType } from 'react'

interface MenuChoiceProps {
  label: string
  icon: ComponentType<{ size?: number }>
  isDangerous?: boolean | undefined
  /** Why it is not possible now, and what to do about that. */
  whyNot?: string | undefined
  onClick: () => void
}

export const MenuChoice = ({ label, icon: Icon, isDangerous, whyNot, onClick }: MenuChoiceProps) => (
  <Menu.Item
    leftSection={<Icon size={16} />}
    c={isDangerous && !whyNot ? 'var(--mantine-color-error)' : undefined}
    aria-disabled={Boolean(whyNot)}
    data-refused={Boolean(whyNot) || undefined}
    closeMenuOnClick={!whyNot}
    onClick={() => whyNot || onClick()}
  >
    {label}
    {whyNot && (
      <Text size="xs" c="dimmed">
        {whyNot}
      </Text>
    )}
  </Menu.Item>
)
