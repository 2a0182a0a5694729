/** What the caller may do, as far as it decides what the page offers. Whatever it offers, the server has the last word. */
import type { ApolloClient } from "@apollo/client";
import { createContext, use } from "react";
import { graphql } from "../gql";
import { refusalIn } from "./refusal";

/** Only loaders may list the data lake. A folder that is not there costs nothing. */
const MAY_LOAD = graphql(`
  query MayLoad {
    datalake(prefix: "-/") { path }
  }
`);

export interface Roles {
  /** Upload files, and start, stop, repeat and take back loads. */
  mayLoad: boolean;
}

/** Where nobody is asked who they are. */
export const ALL_ROLES: Roles = { mayLoad: true };

export async function readRoles(client: ApolloClient): Promise<Roles> {
  try {
    await client.query({ query: MAY_LOAD, fetchPolicy: "network-only" });
    return ALL_ROLES;
  } catch (error) {
    return { mayLoad: refusalIn(error as Error).code !== "FORBIDDEN" };
  }
}

export const RolesContext = createContext(ALL_ROLES);
export const useRoles = () => use(RolesContext);
