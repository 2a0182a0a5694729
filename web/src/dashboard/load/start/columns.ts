/** The columns that a file needs, by what its rows are. */
import type { LoadEntity } from "../../gql/graphql";

export const COLUMNS: Record<LoadEntity, string[]> = {
  POSTAL_CODES: ["the_geom", "code", "id"],
  PAYSTATS: ["amount", "p_month", "p_age", "p_gender", "postal_code_id", "id"],
};
