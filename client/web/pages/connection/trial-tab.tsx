// Tests whether an identity provider works with a connection's settings.
import { Section } from '../../parts/section.tsx'
import { profileName } from '../provisioning/guides.ts'
import { Trial } from '../provisioning/trial.tsx'
import type { TabProps } from './tabs.ts'

export const TrialTab = ({ connection }: TabProps) => (
  <div className="card">
    <Section
      title="Test"
      description={`Plays the requests of an identity provider with the profile and the highest role of this connection (${profileName(connection.profile)}), and takes them back. The people and groups are made up.`}
    >
      <Trial connectionId={connection.id} />
    </Section>
  </div>
)
