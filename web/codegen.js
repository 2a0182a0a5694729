// Writes src/dashboard/gql/: the types of the API in ../schema.graphql and of every document below src/dashboard, by graphql-codegen's client preset.
// The preset is called directly: the command line brings loaders for schemas from anywhere, and needs a newer Node.js than we ask for.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { preset } from "@graphql-codegen/client-preset";
import { codegen } from "@graphql-codegen/core";
import { gqlPluckFromCodeString } from "@graphql-tools/graphql-tag-pluck";
import { buildASTSchema, parse } from "graphql";

const root = `${import.meta.dirname}/src/dashboard`;
const target = `${root}/gql/`;

// What scalars are in JSON; see their descriptions in the schema.
const scalars = {
  DateTime: "string",
  Decimal: { input: "string | number", output: "string" },
  GeoJSON: 'import("geojson").GeoJSON',
  Long: "number",
  Month: "string",
};

const names = await readdir(root, { recursive: true });
const sources = names.filter((name) => /\.tsx?$/.test(name) && !name.startsWith("gql/")).sort();
const documents = [];
for (const name of sources) {
  const location = join(root, name);
  const text = await readFile(location, "utf8");
  const plucked = await gqlPluckFromCodeString(location, text, {
    globalGqlIdentifierName: "graphql",
    skipIndent: true,
  });
  documents.push(...plucked.map(({ body }) => ({ location, rawSDL: body, document: parse(body) })));
}

const schema = parse(await readFile(`${import.meta.dirname}/../schema.graphql`, "utf8"));
const files = await preset.buildGeneratesSection({
  baseOutputDir: target,
  schema,
  schemaAst: buildASTSchema(schema),
  documents,
  config: { scalars, strictScalars: true, useTypeImports: true, enumsAsTypes: true },
  presetConfig: { fragmentMasking: { unmaskFunctionName: "readFragment" } },
  plugins: [],
  pluginMap: {},
});
for (const file of files) {
  await mkdir(dirname(file.filename), { recursive: true });
  await writeFile(file.filename, await codegen(file));
}
