DROP TABLE occupancy_events;
DROP TABLE occupancies;
DROP TABLE occupancy_kinds;
