/** The package is linked here, with a React of its own beside it: one is enough, and hooks need it to be one. */
export default { resolve: { dedupe: ["react", "react-dom"] } };
