//! The few code systems and value sets that are known by heart. Everything else comes with the form, or is unknown.

/// A code system known whole: codes, and displays where we know them.
pub struct CodeSystem {
    pub system: &'static str,
    /// Code and display.
    pub concepts: &'static [(&'static str, &'static str)],
}

/// <http://hl7.org/fhir/R4/codesystem-item-type.html>
const ITEM_TYPE: CodeSystem = CodeSystem {
    system: "http://hl7.org/fhir/item-type",
    concepts: &[
        ("group", "Group"),
        ("display", "Display"),
        ("question", "Question"),
        ("boolean", "Boolean"),
        ("decimal", "Decimal"),
        ("integer", "Integer"),
        ("date", "Date"),
        ("dateTime", "Date Time"),
        ("time", "Time"),
        ("string", "String"),
        ("text", "Text"),
        ("url", "Url"),
        ("choice", "Choice"),
        ("open-choice", "Open Choice"),
        ("attachment", "Attachment"),
        ("reference", "Reference"),
        ("quantity", "Quantity"),
    ],
};

/// <http://hl7.org/fhir/R4/codesystem-administrative-gender.html>
const GENDER: CodeSystem = CodeSystem {
    system: "http://hl7.org/fhir/administrative-gender",
    concepts: &[("male", "Male"), ("female", "Female"), ("other", "Other"), ("unknown", "Unknown")],
};

/// The system of ISO 3166-1's country codes.
const ISO_3166: &str = "urn:iso:std:iso:3166";

/// What a value set known by its URL holds.
pub enum KnownSet {
    Whole(&'static CodeSystem),
    /// Countries by two letters are known, other codes of these systems are not.
    Jurisdiction,
}

/// By the canonical URL without version.
pub fn known_set(url: &str) -> Option<KnownSet> {
    match url {
        "http://hl7.org/fhir/ValueSet/item-type" => Some(KnownSet::Whole(&ITEM_TYPE)),
        "http://hl7.org/fhir/ValueSet/administrative-gender" => Some(KnownSet::Whole(&GENDER)),
        "http://hl7.org/fhir/ValueSet/jurisdiction" => Some(KnownSet::Jurisdiction),
        _ => None,
    }
}

/// A code system whose codes are known, by its URL.
pub fn known_system(system: &str) -> Option<&'static CodeSystem> {
    [&ITEM_TYPE, &GENDER].into_iter().find(|known| known.system == system)
}

/// Whether a code is in the value set `jurisdiction`: `None` where its system is, but the code can't be judged.
pub fn is_jurisdiction(system: Option<&str>, code: &str) -> Option<bool> {
    match system {
        Some(ISO_3166) if code.len() == 2 => Some(COUNTRIES.split_ascii_whitespace().any(|country| country == code)),
        Some(ISO_3166 | "urn:iso:std:iso:3166:-2" | "http://unstats.un.org/unsd/methods/m49/m49.htm") => None,
        _ => Some(false),
    }
}

/// ISO 3166-1 alpha-2, officially assigned.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ \
    FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT \
    JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP \
    MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE \
    RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV \
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Whether FHIR R4 has a resource of that name.
pub fn is_resource_type(name: &str) -> bool {
    RESOURCE_TYPES.split_ascii_whitespace().any(|known| known == name)
}

/// <http://hl7.org/fhir/R4/resourcelist.html>
const RESOURCE_TYPES: &str = "Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse \
    AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam \
    CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication \
    CommunicationRequest CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage \
    CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric \
    DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis \
    Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable \
    ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse \
    HealthcareService ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide \
    InsurancePlan Invoice Library Linkage List Location Measure MeasureReport Media Medication MedicationAdministration \
    MedicationDispense MedicationKnowledge MedicationRequest MedicationStatement MedicinalProduct \
    MedicinalProductAuthorization MedicinalProductContraindication MedicinalProductIndication \
    MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged \
    MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader \
    MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition \
    OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation \
    Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse \
    RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject \
    RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition \
    StructureDefinition StructureMap Subscription Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein \
    SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task \
    TerminologyCapabilities TestReport TestScript ValueSet VerificationResult VisionPrescription";
