// An endless list: only visible rows are in the document, and the next page is fetched before the end is reached.
import { Button, Skeleton, Text } from '@mantine/core'
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query'
import { keepPreviousData } from '@tanstack/react-query'
import { useVirtualizer, useWindowVirtualizer, type VirtualItem, type Virtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { Failure } from './failures.tsx'

interface ListPage<T> {
  items: T[]
  nextCursor: string | null
}

/**
 * Options of `infiniteQueryOptions` for lists with cursors. Long lists are neither compared with their previous data
 * nor fetched again from the beginning when the window gets the focus: both cost as much as the list is long.
 */
export const listOptions = {
  getNextPageParam: (page: { nextCursor: string | null }) => page.nextCursor ?? undefined,
  placeholderData: keepPreviousData,
  structuralSharing: false,
  refetchOnWindowFocus: false,
  refetchOnReconnect: false
} as const

interface VirtualListProps<T> {
  query: UseInfiniteQueryResult<InfiniteData<ListPage<T>>, unknown>
  itemKey: (item: T) => string
  /** A row's content; the list wraps it in an element of class `row`. */
  row: (item: T, index: number) => ReactNode
  /** What the list contains, for screen readers: `People`. */
  label: string
  /** A row's height in pixels before it is measured. */
  estimatedHeight?: number
  /** Shown where the list is empty. */
  empty: ReactNode
  /** Class of each row, besides `row`: the columns of a table. */
  rowClass?: string
  /** Scrolls on its own at this height (a CSS length), as in a dialog; otherwise with the page. */
  height?: string
}

/** How many rows before the end the next page is fetched. */
const AHEAD = 25
const OVERSCAN = 8

export function VirtualList<T>(props: VirtualListProps<T>) {
  const { query, label, empty, rowClass = '', estimatedHeight = 64 } = props
  const items = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data])
  if (query.error && !query.data) return <Failure error={query.error} retry={() => query.refetch()} />
  if (!query.data) return <ListSkeleton label={label} rowClass={rowClass} height={estimatedHeight} />
  if (items.length === 0) return empty
  return props.height === undefined ? (
    <InWindow {...props} items={items} />
  ) : (
    <VirtualBox {...props} height={props.height} items={items} />
  )
}

type WithItems<T> = Omit<VirtualListProps<T>, 'query' | 'empty'> & { items: T[]; query?: VirtualListProps<T>['query'] }

/**
 * Row heights of the last few lists that were left, by label and window width. With them, going back restores the
 * page's height, and so the scroll position.
 */
const leftLists = new Map<string, VirtualItem[]>()
const MAX_LEFT_LISTS = 5

function InWindow<T>(props: WithItems<T>) {
  const list = useRef<HTMLDivElement>(null)
  const [place] = useState(() => `${props.label} ${window.innerWidth}`)
  const [scrollMargin, setScrollMargin] = useState(0)
  useEffect(() => {
    // content above the list may grow and shrink
    const measure = () => setScrollMargin(Math.round((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY))
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(document.body)
    return () => observer.disconnect()
  }, [])
  const virtualizer = useWindowVirtualizer({
    count: props.items.length,
    estimateSize: () => props.estimatedHeight ?? 64,
    overscan: OVERSCAN,
    scrollMargin,
    initialMeasurementsCache: leftLists.get(place) ?? [],
    getItemKey: (index) => props.itemKey(props.items[index]!)
  })
  useEffect(
    () => () => {
      leftLists.delete(place)
      leftLists.set(place, virtualizer.takeSnapshot())
      if (leftLists.size > MAX_LEFT_LISTS) leftLists.delete(leftLists.keys().next().value!)
    },
    [place, virtualizer]
  )
  return (
    <div ref={list}>
      <Rows {...props} virtualizer={virtualizer} scrollMargin={scrollMargin} />
    </div>
  )
}

/** A list in a box with its own height; `items` may be complete, without a query. */
export function VirtualBox<T>(props: WithItems<T> & { height: string }) {
  const box = useRef<HTMLDivElement>(null)
  const virtualizer = useVirtualizer({
    count: props.items.length,
    estimateSize: () => props.estimatedHeight ?? 64,
    overscan: OVERSCAN,
    getScrollElement: () => box.current,
    getItemKey: (index) => props.itemKey(props.items[index]!)
  })
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard (WCAG 2.1.1)
    <section ref={box} className="scroll-box" style={{ height: props.height }} tabIndex={0} aria-label={props.label}>
      <Rows {...props} virtualizer={virtualizer} scrollMargin={0} />
    </section>
  )
}

const NO_QUERY = {
  hasNextPage: false,
  isFetchingNextPage: false,
  isFetchNextPageError: false,
  fetchNextPage: async () => {}
}

interface RowsProps<T> extends WithItems<T> {
  virtualizer: Virtualizer<Window, Element> | Virtualizer<HTMLDivElement, Element>
  scrollMargin: number
}

function Rows<T>({ query, items, itemKey, row, label, rowClass = '', virtualizer, scrollMargin }: RowsProps<T>) {
  const shown = virtualizer.getVirtualItems()
  const last = shown.at(-1)?.index ?? 0
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = query ?? NO_QUERY
  useEffect(() => {
    if (last >= items.length - AHEAD && hasNextPage && !isFetchingNextPage && !isFetchNextPageError)
      void fetchNextPage()
  }, [last, items.length, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage])
  return (
    <>
      <ul
        className="rows"
        aria-label={label}
        aria-busy={query?.isFetching}
        style={{ height: virtualizer.getTotalSize() }}
        data-stale={query?.isPlaceholderData || undefined}
      >
        {shown.map(({ index, start }) => (
          <li
            key={itemKey(items[index]!)}
            data-index={index}
            ref={virtualizer.measureElement}
            className={`row ${rowClass}`}
            aria-setsize={hasNextPage ? -1 : items.length}
            aria-posinset={index + 1}
            style={{ transform: `translateY(${start - scrollMargin}px)` }}
          >
            {row(items[index]!, index)}
          </li>
        ))}
      </ul>
      {isFetchNextPageError && (
        <div className="rows-foot">
          <Text size="sm">The rest did not load.</Text>
          <Button size="xs" variant="default" onClick={() => fetchNextPage()}>
            Try again
          </Button>
        </div>
      )}
      {isFetchingNextPage && (
        <div className="rows-foot" role="status">
          <Text size="sm" c="dimmed">
            Loading more…
          </Text>
        </div>
      )}
    </>
  )
}

/** A list's placeholder while it loads. */
export function ListSkeleton({
  label,
  rowClass = '',
  height = 64
}: {
  label: string
  rowClass?: string
  height?: number
}) {
  return (
    <div role="status" aria-label={`Loading ${label}`}>
      {Array.from({ length: 8 }, (_, index) => (
        <div key={index} className={`skeleton-row ${rowClass}`} style={{ minHeight: height }}>
          <span className="person">
            <Skeleton circle height={36} width={36} animate={index < 4} />
            <span className="person-text">
              <Skeleton height={12} width={140} mb={6} animate={index < 4} />
              <Skeleton height={10} width={180} animate={index < 4} />
            </span>
          </span>
        </div>
      ))}
    </div>
  )
}
