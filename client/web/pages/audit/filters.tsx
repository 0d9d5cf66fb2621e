// The filters of the audit log. On a phone they are behind a button.
import { Button, Collapse, Select, TextInput } from '@mantine/core'
import { useDebouncedValue, useDisclosure, useMediaQuery } from '@mantine/hooks'
import { IconFilter, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Outputs, trpc } from '../../api.ts'
import { shownName } from '../../parts/person.tsx'
import { SearchField } from '../../parts/search-field.tsx'
import { ACTOR_KINDS, type AuditSearch, isFiltered, isId } from './filter.ts'
import { ACTION_CHOICES, labelOf } from './words.ts'

export type Event = Outputs['audit']['list']['items'][number]

interface FiltersProps {
  search: AuditSearch
  /** Some of the shown entries: they contain the names for the filter's ids. */
  events: readonly Event[]
  onChange: (change: AuditSearch) => void
  onClear: () => void
}

export function Filters({ search, events, onChange, onClear }: FiltersProps) {
  const isPhone = useMediaQuery('(max-width: 48em)')
  const [isOpen, { toggle }] = useDisclosure(false)
  const { search: text, ...others } = search
  const count = Object.values(others).filter(Boolean).length
  return (
    <div className="audit-filters">
      <div className="audit-filters-top">
        <SearchField
          label="Search the audit log"
          placeholder="Search names and actions"
          value={text ?? ''}
          onChange={(value) => onChange({ search: value || undefined })}
        />
        {isPhone && (
          <Button
            variant="default"
            leftSection={<IconFilter size={16} />}
            aria-expanded={isOpen}
            aria-controls="audit-filters"
            onClick={toggle}
          >
            {count > 0 ? `Filters (${count})` : 'Filters'}
          </Button>
        )}
        {isFiltered(search) && (
          <Button variant="subtle" color="gray" leftSection={<IconX size={16} />} onClick={onClear}>
            Clear
          </Button>
        )}
      </div>
      <Collapse expanded={isOpen || !isPhone} id="audit-filters">
        <div className="audit-filters-fields">
          <ActionFilter value={search.action} onChange={(action) => onChange({ action })} />
          <WhoFilter
            label="Done by"
            kinds={ACTOR_KINDS}
            value={search.actor}
            known={events.find(({ actorId }) => actorId === search.actor)?.actorName}
            onChange={(actor) => onChange({ actor })}
          />
          <WhoFilter
            label="Done to"
            value={search.target}
            known={events.find(({ targetId }) => targetId === search.target)?.targetName}
            onChange={(target) => onChange({ target })}
          />
          <DayFilter label="From" value={search.from} max={search.to} onChange={(from) => onChange({ from })} />
          <DayFilter label="Until" value={search.to} min={search.from} onChange={(to) => onChange({ to })} />
        </div>
      </Collapse>
    </div>
  )
}

function ActionFilter({ value, onChange }: { value: string | undefined; onChange: (value?: string) => void }) {
  const isListed = value === undefined || ACTION_CHOICES.some(({ items }) => items.some((item) => item.value === value))
  return (
    <Select
      label="Action"
      placeholder="Everything"
      data={isListed ? ACTION_CHOICES : [{ value, label: labelOf(value) }, ...ACTION_CHOICES]}
      value={value ?? null}
      onChange={(next) => onChange(next ?? undefined)}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': 'Clear the action' }}
      nothingFoundMessage="There is no such action"
      comboboxProps={{ width: 260, position: 'bottom-start' }}
    />
  )
}

interface WhoFilterProps {
  label: string
  kinds?: readonly { value: string; label: string }[]
  value: string | undefined
  /** The name for the value, if an entry contains it. */
  known: string | null | undefined
  onChange: (value?: string) => void
}

/** Selects a person by name or address, or a kind of actor. */
export function WhoFilter({ label, kinds = [], value, known, onChange }: WhoFilterProps) {
  const [typed, setTyped] = useState('')
  const [searched] = useDebouncedValue(typed, 200)
  const people = useQuery(trpc.users.list.queryOptions({ search: searched || undefined, limit: 20 }))
  const name = useNameOf(value, known)
  const found = (people.data?.items ?? []).map((user) => ({ value: user.id, label: shownName(user) }))
  const isListed = !value || [...kinds, ...found].some((item) => item.value === value)
  const chosen = isListed ? [] : [{ value, label: name }]
  return (
    <Select
      label={label}
      placeholder="Anybody"
      data={[
        ...(kinds.length > 0 ? [{ group: 'Kinds', items: [...kinds] }] : []),
        { group: 'People', items: [...chosen, ...found] }
      ]}
      // the service has already searched, also by the address, which the label does not show
      filter={({ options }) => options}
      value={value ?? null}
      onChange={(next) => onChange(next ?? undefined)}
      searchable
      onSearchChange={(text) => setTyped(text === name || kinds.some((kind) => kind.label === text) ? '' : text)}
      clearable
      clearButtonProps={{ 'aria-label': `Clear “${label}”` }}
      nothingFoundMessage={people.isFetching ? 'Searching…' : 'Nobody is called that'}
      comboboxProps={{ width: 280, position: 'bottom-start' }}
    />
  )
}

function useNameOf(value: string | undefined, known: string | null | undefined): string {
  const user = useQuery(
    trpc.users.get.queryOptions({ userId: value ?? '' }, { enabled: isId(value) && !known, retry: false })
  )
  return known ?? (user.data ? shownName(user.data.user) : 'The chosen one')
}

interface DayFilterProps {
  label: string
  value: string | undefined
  min?: string
  max?: string
  onChange: (value?: string) => void
}

export const DayFilter = ({ label, value, min, max, onChange }: DayFilterProps) => (
  <TextInput
    type="date"
    label={label}
    value={value ?? ''}
    min={min}
    max={max}
    onChange={(event) => onChange(event.currentTarget.value || undefined)}
  />
)
