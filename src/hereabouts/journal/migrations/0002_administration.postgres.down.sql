DROP TABLE cooldowns;
DROP TABLE audit;
DROP TABLE policy_versions;
