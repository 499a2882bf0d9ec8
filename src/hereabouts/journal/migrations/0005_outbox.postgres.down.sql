DROP TABLE disabled_endpoints;
DROP TABLE standings;
DROP TABLE deliveries;
DROP TABLE events;
