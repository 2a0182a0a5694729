/**
 * The operations that introduce the API: GraphiQL opens them as tabs.
 * `tests/examples.test.ts` sends every one to a real server, so none can go stale unseen.
 */
export interface Example {
  title: string;
  query: string;
  variables?: Record<string, unknown>;
}

export const totals: Example = {
  title: "How much was paid, and where",
  query: `# Sums are exact decimals, so they come as strings.
query Totals {
  everything: total { amount count }

  # A filter narrows by month, age, gender or place.
  young: total(filter: {
    from: "2015-01", to: "2015-12", ages: [UNDER_25]
  }) { amount count }

  byPostalCode(first: 3) {
    postalCode { code }
    total { amount count }
  }
}
`,
};

export const timeSeries: Example = {
  title: "Month by month, women and men",
  query: `# One series a gender; the server fills the gaps.
query MonthByMonth {
  timeSeries(interval: MONTH, by: [GENDER]) {
    gender
    points {
      period
      total { amount count }
    }
  }
}
`,
};

export const postalCodes: Example = {
  title: "Walk through the postal codes",
  query: `# For the next page, set "after" to endCursor.
query PostalCodes($after: String) {
  postalCodes(first: 5, after: $after) {
    totalCount
    nodes { id code }
    pageInfo { hasNextPage endCursor }
  }
}
`,
};

export const startLoad: Example = {
  title: "Load a file of the data lake",
  query: `# Loads a file of the data lake. The answer comes at
# once: watch the load with its id in the next tab.
mutation StartLoad($input: StartLoadInput!) {
  startLoad(input: $input) {
    load { id number state }
  }
}
`,
  variables: { input: { entity: "POSTAL_CODES", source: "postal_codes.csv" } },
};

export const watchLoad: Example = {
  title: "Watch a load",
  query: `# The state now, then every change, until the load
# has ended. Put its id into the variables below.
subscription WatchLoad($id: ID!) {
  loadProgress(id: $id) {
    seq
    state
    rowsRead
    rowsInserted
    rowsRejected
    fraction
  }
}
`,
  variables: { id: "" },
};

export const examples = [totals, timeSeries, postalCodes, startLoad, watchLoad];
