//! Prints the schema, for `schema.graphql`.

fn main() {
    print!("{}", paystats_server::graphql::sdl());
}
