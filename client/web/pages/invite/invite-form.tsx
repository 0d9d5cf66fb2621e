import { Alert, Button, CloseButton, FileButton, Group, NativeSelect, Stack, Text, Textarea } from '@mantine/core'
import { IconFileSpreadsheet, IconSend } from '@tabler/icons-react'
import {
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  memo,
  type ReactNode,
  useCallback,
  useRef,
  useState
} from 'react'
import { type PastedAddress, readCsv, splitAddresses } from '../../addresses.ts'
import { counted } from '../../counted.ts'
import { Failure } from '../../parts/failures.tsx'
import { VirtualBox } from '../../parts/virtual-list.tsx'
import { offeredRoles, ROLE_DESCRIPTIONS, ROLE_LABELS, type Role, roleOptions } from '../../roles.ts'
import { useMe } from '../../shell.tsx'
import { addInvitees, type Invitee, MAX_INVITEES } from './draft.ts'

interface InviteFormProps {
  invitees: Invitee[]
  onChange: (invitees: Invitee[]) => void
  onSend: (invites: { email: string; role: Role }[]) => void
  isSending: boolean
  error: unknown
}

/** Heights in pixels, for a valid and an invalid address. */
const ROW_HEIGHT = 43
const BAD_ROW_HEIGHT = 49

/** Largest file: some 100,000 addresses, far more than can be sent at once. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

export function InviteForm({ invitees, onChange, onSend, isSending, error }: InviteFormProps) {
  const me = useMe()
  const [role, setRole] = useState<Role>(me.defaultRole)
  const [notice, setNotice] = useState<string>()
  const add = (pasted: PastedAddress[], from?: string) => {
    const { invitees: next, otherRoleCount } = addInvitees(invitees, pasted, role, me.rolesYouMayGive)
    onChange(next)
    setNotice(noticeFor(pasted.length, next.length - invitees.length, otherRoleCount, role, from))
  }
  const readFile = async (file: File | null | undefined) => {
    if (!file) return
    if (file.size > MAX_FILE_BYTES)
      return setNotice(`${file.name} is too large: at most 1,000 addresses are taken at once.`)
    add(readCsv(await file.text()), file.name)
  }
  const setAll = (given: Role) => {
    setRole(given)
    onChange(invitees.map((invitee) => ({ ...invitee, role: given })))
  }
  const valid = invitees.filter(({ isValid }) => isValid)
  const tooMany = valid.length - MAX_INVITEES
  return (
    <DropZone onFile={readFile} onText={(text) => add(splitAddresses(text))}>
      <Stack gap="md">
        <AddressField onAdd={(text) => add(splitAddresses(text))} onFile={readFile} />
        <Text size="sm" c="dimmed" role="status" className="invite-notice">
          {notice}
        </Text>
        {invitees.length > 0 && (
          <InviteeList invitees={invitees} onChange={onChange} role={role} onRoleForAll={setAll} />
        )}
        {tooMany > 0 && (
          <Alert color="red" variant="light" role="status">
            At most {MAX_INVITEES.toLocaleString()} can be invited at once: take {tooMany.toLocaleString()} out and
            invite them afterwards.
          </Alert>
        )}
        {error ? <Failure error={error} /> : null}
        <Group justify="flex-end">
          <Button
            leftSection={<IconSend size={16} />}
            loading={isSending}
            disabled={valid.length === 0 || tooMany > 0}
            onClick={() => onSend(valid.map(({ email, role: given }) => ({ email, role: given })))}
          >
            {valid.length === 0 ? 'Send invitations' : `Send ${counted(valid.length, 'invitation', 'invitations')}`}
          </Button>
        </Group>
      </Stack>
    </DropZone>
  )
}

interface DropZoneProps {
  onFile: (file: File) => void
  onText: (text: string) => void
  children: ReactNode
}

/** Accepts a dropped file or text. */
function DropZone({ onFile, onText, children }: DropZoneProps) {
  const [isDropping, setIsDropping] = useState(false)
  const onDrop = (event: DragEvent) => {
    event.preventDefault()
    setIsDropping(false)
    const file = event.dataTransfer.files[0]
    if (file) onFile(file)
    else onText(event.dataTransfer.getData('text'))
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files can be chosen by a button within, too
    <div
      onDragOver={(event) => {
        event.preventDefault()
        setIsDropping(true)
      }}
      onDragLeave={() => setIsDropping(false)}
      onDrop={onDrop}
      className="drop-zone"
      data-dropping={isDropping || undefined}
    >
      {children}
    </div>
  )
}

interface AddressFieldProps {
  onAdd: (text: string) => void
  onFile: (file: File | null) => void
}

/** Addresses typed, pasted, or read from a file. */
function AddressField({ onAdd, onFile }: AddressFieldProps) {
  const [text, setText] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)
  const addTyped = () => {
    if (text.trim() === '') return
    onAdd(text)
    setText('')
    field.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    addTyped()
  }
  // several pasted addresses are a list already; a single one may still be edited
  const onPaste = (event: ClipboardEvent) => {
    const pasted = event.clipboardData.getData('text')
    if (text.trim() !== '' || splitAddresses(pasted).filter(({ isValid }) => isValid).length < 2) return
    event.preventDefault()
    onAdd(pasted)
  }
  return (
    <>
      <Textarea
        ref={field}
        label="E-mail addresses"
        description="Paste any number, separated by commas, semicolons, spaces or new lines. Press Enter to add them."
        placeholder="ada@example.com, Ben Li <ben@example.com>"
        autosize
        minRows={2}
        maxRows={6}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        data-autofocus
      />
      <Group justify="space-between" gap="xs">
        <FileButton onChange={onFile} accept=".csv,.txt,text/csv,text/plain" inputProps={{ 'aria-label': 'CSV file' }}>
          {(props) => (
            <Button {...props} variant="subtle" size="compact-sm" leftSection={<IconFileSpreadsheet size={16} />}>
              Choose or drop a CSV file
            </Button>
          )}
        </FileButton>
        <Button variant="default" onClick={addTyped} disabled={text.trim() === ''}>
          Add to list
        </Button>
      </Group>
    </>
  )
}

interface InviteeListProps {
  invitees: Invitee[]
  onChange: (invitees: Invitee[]) => void
  role: Role
  onRoleForAll: (role: Role) => void
}

function InviteeList({ invitees, onChange, role, onRoleForAll }: InviteeListProps) {
  const me = useMe()
  const roles = offeredRoles(me.rolesYouMayGive, me.defaultRole)
  const setOne = useStable((email: string, given: Role) =>
    onChange(invitees.map((invitee) => (invitee.email === email ? { ...invitee, role: given } : invitee)))
  )
  const remove = useStable((email: string) => onChange(invitees.filter((invitee) => invitee.email !== email)))
  const valid = invitees.filter(({ isValid }) => isValid)
  const badCount = invitees.length - valid.length
  return (
    <>
      <Group justify="space-between" align="flex-end" gap="xs">
        <NativeSelect
          label="Role for all"
          description={ROLE_DESCRIPTIONS[role]}
          data={roleOptions(roles)}
          value={role}
          onChange={(event) => onRoleForAll(event.currentTarget.value as Role)}
        />
        <Button variant="subtle" color="gray" size="compact-sm" onClick={() => onChange([])}>
          Clear the list
        </Button>
      </Group>
      <VirtualBox
        items={invitees}
        itemKey={keyOf}
        row={(invitee) => <InviteeRow invitee={invitee} roles={roles} onRole={setOne} onRemove={remove} />}
        label={`${invitees.length.toLocaleString()} to invite`}
        rowClass="invitee"
        estimatedHeight={ROW_HEIGHT}
        height={`min(30dvh, ${valid.length * ROW_HEIGHT + badCount * BAD_ROW_HEIGHT + 2}px)`}
      />
      {badCount > 0 && (
        <Alert color="red" variant="light" role="status">
          {badCount === 1 ? 'One is no address and' : `${badCount.toLocaleString()} are no addresses and`} will not be
          sent.{' '}
          <Button variant="subtle" size="compact-sm" onClick={() => onChange(valid)}>
            Take {badCount === 1 ? 'it' : 'them'} out
          </Button>
        </Alert>
      )}
    </>
  )
}

const keyOf = ({ email }: Invitee) => email.toLowerCase()

/** What adding did, where it is not obvious. */
function noticeFor(found: number, added: number, otherRoleCount: number, role: Role, from: string | undefined): string {
  if (found === 0) return `No address was found${from ? ` in ${from}` : ''}.`
  const parts = [`${added.toLocaleString()} added${from ? ` from ${from}` : ''}.`]
  if (added < found) parts.push(`${(found - added).toLocaleString()} were in the list already.`)
  if (otherRoleCount > 0) {
    parts.push(
      `${otherRoleCount.toLocaleString()} had a role that you may not give: they are invited as ${ROLE_LABELS[role]}.`
    )
  }
  return parts.join(' ')
}

/** A stable function that calls the newest one, so that rows need not render again. */
function useStable<A extends unknown[]>(work: (...args: A) => void): (...args: A) => void {
  const newest = useRef(work)
  newest.current = work
  return useCallback((...args: A) => newest.current(...args), [])
}

interface InviteeRowProps {
  invitee: Invitee
  roles: Role[]
  onRole: (email: string, role: Role) => void
  onRemove: (email: string) => void
}

const InviteeRow = memo(function InviteeRow({ invitee, roles, onRole, onRemove }: InviteeRowProps) {
  const { email, isValid, role } = invitee
  return (
    <>
      <span className="invitee-email" data-invalid={!isValid || undefined}>
        <span className="invitee-text">{email}</span>
        {!isValid && <span className="invitee-problem">Not an e-mail address</span>}
      </span>
      {isValid && (
        <NativeSelect
          size="xs"
          aria-label={`Role of ${email}`}
          data={roleOptions(roles)}
          value={role}
          onChange={(event) => onRole(email, event.currentTarget.value as Role)}
        />
      )}
      <CloseButton aria-label={`Take ${email} out`} onClick={() => onRemove(email)} />
    </>
  )
})
