// The set-up of each identity provider, step by step, with this tenant's own values.
import { Button, Code, Group, Stack, Table, Tabs, Text, Title } from '@mantine/core'
import { useClipboard } from '@mantine/hooks'
import { Fragment, type ReactNode } from 'react'
import { GUIDES, type Guide, type Step } from './guides.ts'

interface GuidesProps {
  baseUrl: string
  /** The profile whose guide is shown; the first guide where there is none for it. */
  shown: string | undefined
  onShow: (profile: string) => void
}

export function Guides({ baseUrl, shown, onShow }: GuidesProps) {
  const current = GUIDES.find(({ profile }) => profile === shown) ?? GUIDES[0]!
  return (
    <Tabs value={current.profile} onChange={(profile) => profile && onShow(profile)} keepMounted={false}>
      <Tabs.List aria-label="Identity provider" className="guide-tabs">
        {GUIDES.map(({ profile, name }) => (
          <Tabs.Tab key={profile} value={profile}>
            {name}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {GUIDES.map((guide) => (
        <Tabs.Panel key={guide.profile} value={guide.profile} pt="md">
          <GuideView guide={guide} baseUrl={baseUrl} />
        </Tabs.Panel>
      ))}
    </Tabs>
  )
}

function GuideView({ guide, baseUrl }: { guide: Guide; baseUrl: string }) {
  return (
    <Stack gap="md">
      <Text size="sm">{rich(guide.intro)}</Text>
      <ol className="guide-steps">
        {guide.steps.map((step) => (
          <li key={step.title}>
            <StepView step={step} baseUrl={baseUrl} />
          </li>
        ))}
      </ol>
    </Stack>
  )
}

function StepView({ step, baseUrl }: { step: Step; baseUrl: string }) {
  return (
    <Stack gap="xs">
      <Title order={3} size="h3">
        {step.title}
      </Title>
      {step.text.map((line) => (
        <Text key={line} size="sm">
          {rich(line)}
        </Text>
      ))}
      {step.fields && <Fields fields={step.fields} baseUrl={baseUrl} />}
      {step.template && <Template {...step.template} />}
      {step.mapping && <Mapping rows={step.mapping} />}
    </Stack>
  )
}

function Template({ field, text }: NonNullable<Step['template']>) {
  const clipboard = useClipboard({ timeout: 2_000 })
  return (
    <div>
      <Group justify="space-between" mb={4}>
        <Text size="sm" fw={550}>
          {field}
        </Text>
        <Button size="compact-sm" variant="default" onClick={() => clipboard.copy(text)} aria-label={`Copy ${field}`}>
          <span aria-live="polite">{clipboard.copied ? 'Copied' : 'Copy'}</span>
        </Button>
      </Group>
      <Code block className="guide-template" tabIndex={0}>
        {text}
      </Code>
    </div>
  )
}

function Fields({ fields, baseUrl }: { fields: NonNullable<Step['fields']>; baseUrl: string }) {
  return (
    <dl className="guide-fields">
      {fields.map(([field, value]) => (
        <Fragment key={field}>
          <dt>{field}</dt>
          <dd>{shownValue(value, baseUrl)}</dd>
        </Fragment>
      ))}
    </dl>
  )
}

function shownValue(value: string, baseUrl: string): ReactNode {
  if (value === '{baseUrl}') return <Code>{baseUrl}</Code>
  if (value === '{token}') return 'the token, as it was shown when you created it'
  return value
}

function Mapping({ rows }: { rows: NonNullable<Step['mapping']> }) {
  return (
    <Table.ScrollContainer minWidth={460} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
      <Table withTableBorder verticalSpacing={6} className="guide-mapping">
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">Attribute here</Table.Th>
            <Table.Th scope="col">From there</Table.Th>
            <Table.Th scope="col">Note</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ scim, source, note }) => (
            <Table.Tr key={scim}>
              <Table.Td>
                <Code>{scim}</Code>
              </Table.Td>
              <Table.Td>{source}</Table.Td>
              <Table.Td c="dimmed">{note}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

/** `**Save**` is on the screen, `` `Muster` `` is to be typed. */
function rich(text: string): ReactNode {
  return text
    .split(/(\*\*[^*]+\*\*|`[^`]+`)/)
    .map((part, index) =>
      part.startsWith('**') ? (
        <strong key={index}>{part.slice(2, -2)}</strong>
      ) : part.startsWith('`') ? (
        <Code key={index}>{part.slice(1, -1)}</Code>
      ) : (
        part
      )
    )
}
