// The head of a list: buttons that sort by its columns, or a select on a phone.
import { NativeSelect, UnstyledButton } from '@mantine/core'
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react'

interface Sorting<K extends string> {
  by: K
  direction: 'asc' | 'desc'
}

interface SortHeadProps<K extends string> {
  columns: { by: K; label: string }[]
  sort: Sorting<K>
  onSort: (sort: Sorting<K>) => void
  /** The grid class that the rows have as well. */
  className: string
}

export function SortHead<K extends string>({ columns, sort, onSort, className }: SortHeadProps<K>) {
  const other = sort.direction === 'asc' ? 'desc' : 'asc'
  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of buttons, not of form fields
    <div role="group" aria-label="Sort by" className="sort-head">
      <div className={`list-head ${className}`}>
        {columns.map(({ by, label }) => {
          const isSorted = by === sort.by
          const Arrow = sort.direction === 'asc' ? IconArrowUp : IconArrowDown
          return (
            <UnstyledButton
              key={by}
              className="sort-button"
              aria-pressed={isSorted}
              onClick={() => onSort({ by, direction: isSorted ? other : 'asc' })}
            >
              {label}
              {isSorted && (
                <>
                  <Arrow size={14} aria-hidden />
                  <span className="visually-hidden">{sort.direction === 'asc' ? ', ascending' : ', descending'}</span>
                </>
              )}
            </UnstyledButton>
          )
        })}
      </div>
      <div className="sort-select">
        <NativeSelect
          aria-label="Sort by"
          size="xs"
          value={`${sort.by} ${sort.direction}`}
          onChange={(event) => {
            const [by, direction] = event.currentTarget.value.split(' ') as [K, 'asc' | 'desc']
            onSort({ by, direction })
          }}
          data={columns.flatMap(({ by, label }) => [
            { value: `${by} asc`, label: `Sort by ${label.toLowerCase()}` },
            { value: `${by} desc`, label: `Sort by ${label.toLowerCase()}, descending` }
          ])}
        />
      </div>
    </div>
  )
}
