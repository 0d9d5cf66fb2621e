// Every migration by name, in the order in which they run.
import type { Migration } from 'kysely/migration'
import * as createTables from './20261124T2200_create_tables.ts'
import * as addHistory from './20261125T0910_add_history.ts'
import * as addApiTokensMadeBy from './20261125T0920_add_api_tokens_made_by.ts'
import * as addBrakeSettings from './20261125T0930_add_brake_settings.ts'
import * as addNotices from './20261125T0940_add_notices.ts'
import * as addTokenCare from './20261125T0950_add_token_care.ts'
import * as addEventStreams from './20261125T1010_add_event_streams.ts'
import * as createWireLog from './20261125T1140_create_wire_log.ts'
import * as addBrake from './20261125T1200_add_brake.ts'
import * as addRetention from './20261125T1300_add_retention.ts'
import * as addResourceMoves from './20261125T1400_add_resource_moves.ts'
import * as addGroupRoles from './20261125T1500_add_group_roles.ts'
import * as addAuthority from './20261125T1600_add_authority.ts'
import * as addScimConflicts from './20261125T1610_add_scim_conflicts.ts'
import * as addSearch from './20261125T1620_add_search.ts'
import * as updateUsersInPlace from './20261125T1630_update_users_in_place.ts'
import * as addShadows from './20261125T1640_add_shadows.ts'
import * as addShadowPreferences from './20261130T1215_add_shadow_preferences.ts'
import * as requireCurrent from './20261130T1232_require_current.ts'
import * as freeUserEmails from './20261130T1258_free_user_emails.ts'
import * as letFunctionsRunOnCitus from './20261130T1303_let_functions_run_on_citus.ts'
import * as planSearchForManyTenants from './20261130T1520_plan_search_for_many_tenants.ts'
import * as planForAThousandRows from './20261130T1530_plan_for_a_thousand_rows.ts'
import * as listFamilyNames from './20261130T1545_list_family_names.ts'
import * as placeEventCursors from './20261130T1550_place_event_cursors.ts'
import * as holdShadowsInOnePolicy from './20261130T1555_hold_shadows_in_one_policy.ts'
import * as sortSearchSegments from './20261130T1625_sort_search_segments.ts'
import * as addSecondFactors from './20261130T1632_add_second_factors.ts'
import * as sampleNoWireLog from './20261130T1917_sample_no_wire_log.ts'
import * as leaveRemovedOutOfNames from './20261130T1923_leave_removed_out_of_names.ts'

export const migrations: Record<string, Migration> = {
  '20261124T2200_create_tables': createTables,
  '20261125T0910_add_history': addHistory,
  '20261125T0920_add_api_tokens_made_by': addApiTokensMadeBy,
  '20261125T0930_add_brake_settings': addBrakeSettings,
  '20261125T0940_add_notices': addNotices,
  '20261125T0950_add_token_care': addTokenCare,
  '20261125T1010_add_event_streams': addEventStreams,
  '20261125T1140_create_wire_log': createWireLog,
  '20261125T1200_add_brake': addBrake,
  '20261125T1300_add_retention': addRetention,
  '20261125T1400_add_resource_moves': addResourceMoves,
  '20261125T1500_add_group_roles': addGroupRoles,
  '20261125T1600_add_authority': addAuthority,
  '20261125T1610_add_scim_conflicts': addScimConflicts,
  '20261125T1620_add_search': addSearch,
  '20261125T1630_update_users_in_place': updateUsersInPlace,
  '20261125T1640_add_shadows': addShadows,
  '20261130T1215_add_shadow_preferences': addShadowPreferences,
  '20261130T1232_require_current': requireCurrent,
  '20261130T1258_free_user_emails': freeUserEmails,
  '20261130T1303_let_functions_run_on_citus': letFunctionsRunOnCitus,
  '20261130T1520_plan_search_for_many_tenants': planSearchForManyTenants,
  '20261130T1530_plan_for_a_thousand_rows': planForAThousandRows,
  '20261130T1545_list_family_names': listFamilyNames,
  '20261130T1550_place_event_cursors': placeEventCursors,
  '20261130T1555_hold_shadows_in_one_policy': holdShadowsInOnePolicy,
  '20261130T1625_sort_search_segments': sortSearchSegments,
  '20261130T1632_add_second_factors': addSecondFactors,
  '20261130T1917_sample_no_wire_log': sampleNoWireLog,
  '20261130T1923_leave_removed_out_of_names': leaveRemovedOutOfNames
}
